package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// State is what br-ex takes over from the NIC.
type State struct {
	Addresses []Address `json:"addresses,omitempty"`
	Routes    []Route   `json:"routes,omitempty"`
}

// Address is an interface's address, as far as it outlives a move to another interface. Lifetimes are left out: what a
// DHCP client renews on the NIC is moved again, and a node must not lose its address because an agent slept.
type Address struct {
	// Prefix has the host bits: 192.0.2.11/24.
	Prefix netip.Prefix `json:"prefix"`
	// Peer is the other end of a point-to-point address; the zero Prefix if there is none.
	Peer netip.Prefix `json:"peer,omitzero"`
	// Scope is an RT_SCOPE value of rtnetlink(7).
	Scope int `json:"scope,omitempty"`
	// NoPrefixRoute: the kernel makes no route for the prefix; whoever set the address made one.
	NoPrefixRoute bool `json:"noPrefixRoute,omitempty"`
}

// Route is a route over one interface.
type Route struct {
	// Dst is 0.0.0.0/0 or ::/0 for a default route.
	Dst     netip.Prefix `json:"dst"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	Source  netip.Addr   `json:"source,omitzero"`
	// Hops are the next hops of a route that has several, all over this interface; Gateway is then zero.
	Hops     []Hop `json:"hops,omitempty"`
	Table    int   `json:"table"`
	Metric   int   `json:"metric,omitempty"`
	Scope    int   `json:"scope,omitempty"`
	Protocol int   `json:"protocol,omitempty"`
	TOS      int   `json:"tos,omitempty"`
	OnLink   bool  `json:"onLink,omitempty"`
	// MTU, AdvMSS, Window, InitialWindow and HopLimit are the route's metrics of these names (ip-route(8)).
	MTU           int `json:"mtu,omitempty"`
	AdvMSS        int `json:"advMSS,omitempty"`
	Window        int `json:"window,omitempty"`
	InitialWindow int `json:"initialWindow,omitempty"`
	HopLimit      int `json:"hopLimit,omitempty"`
}

// Hop is one next hop of a route with several.
type Hop struct {
	Gateway netip.Addr `json:"gateway"`
	// Weight is 0 for the least, as in rtnetlink.
	Weight int  `json:"weight,omitempty"`
	OnLink bool `json:"onLink,omitempty"`
}

// routeKey is what makes a route another one and not a new version of the same: the kernel replaces by it.
type routeKey struct {
	dst                netip.Prefix
	table, metric, tos int
}

func (r Route) key() routeKey { return routeKey{r.Dst, r.Table, r.Metric, r.TOS} }

func (r Route) equal(o Route) bool {
	hops, otherHops := r.Hops, o.Hops
	r.Hops, o.Hops = nil, nil
	return fmt.Sprint(r) == fmt.Sprint(o) && slices.Equal(hops, otherHops)
}

// Merge unites two states; where both have an address or a route of the same key, newer's wins.
func Merge(newer, older State) State {
	m := State{Addresses: slices.Clone(newer.Addresses), Routes: slices.Clone(newer.Routes)}
	for _, a := range older.Addresses {
		if !slices.ContainsFunc(m.Addresses, func(b Address) bool { return a.Prefix == b.Prefix }) {
			m.Addresses = append(m.Addresses, a)
		}
	}
	for _, r := range older.Routes {
		if !slices.ContainsFunc(m.Routes, func(o Route) bool { return r.key() == o.key() }) {
			m.Routes = append(m.Routes, r)
		}
	}
	return m.sorted()
}

// sorted orders routes so that each can be set when those before it are: routes to a link before routes by a
// gateway, which the kernel refuses while it does not know the way to the gateway.
func (s State) sorted() State {
	slices.SortStableFunc(s.Addresses, func(a, b Address) int { return CompareFamily(a.Prefix.Addr(), b.Prefix.Addr()) })
	slices.SortStableFunc(s.Routes, func(a, b Route) int {
		return cmp.Or(compareBool(a.indirect(), b.indirect()), cmp.Compare(a.Table, b.Table),
			b.Dst.Bits()-a.Dst.Bits(), a.Dst.Addr().Compare(b.Dst.Addr()), cmp.Compare(a.Metric, b.Metric))
	})
	return s
}

func (r Route) indirect() bool { return r.Gateway.IsValid() || len(r.Hops) > 0 }

// CompareFamily keeps the order within a family: the first IPv4 address of a network is its primary one.
func CompareFamily(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// NextHops returns the gateways of the default routes, the best of each family, IPv4 first.
func (s State) NextHops() []netip.Addr {
	var hops []netip.Addr
	for _, anywhere := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		best := Route{Metric: -1}
		for _, r := range s.Routes {
			if r.Dst == anywhere && r.Table == MainTable && r.indirect() && (best.Metric < 0 || r.Metric < best.Metric) {
				best = r
			}
		}
		switch {
		case best.Metric < 0:
		case best.Gateway.IsValid():
			hops = append(hops, best.Gateway)
		default:
			hops = append(hops, best.Hops[0].Gateway)
		}
	}
	return hops
}

// Among returns the addresses of s that are among ips, with their prefix lengths.
func (s State) Among(ips []netip.Addr) []netip.Prefix {
	var found []netip.Prefix
	for _, ip := range ips {
		for _, a := range s.Addresses {
			if a.Prefix.Addr() == ip {
				found = append(found, a.Prefix)
				break
			}
		}
	}
	return found
}
