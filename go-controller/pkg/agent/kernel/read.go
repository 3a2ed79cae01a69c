package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MainTable is the main routing table.
const MainTable = unix.RT_TABLE_MAIN

// Protocol marks our routes and rules in the kernel (rtnetlink's rtm_protocol), so that they are told from
// those of others. It is "W" and nobody's in /etc/iproute2/rt_protos.
const Protocol = 87

// ReadState reads what of an interface a move to another must keep: its global addresses and its routes, except
// those that the kernel makes by itself and those of our own.
func ReadState(link netlink.Link, own []netip.Prefix) (State, error) {
	var s State
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return s, fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	for _, a := range addrs {
		if got, ok := addressOf(a); ok && !contains(own, got.Prefix) {
			s.Addresses = append(s.Addresses, got)
		}
	}
	for _, f := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := routesOf(link, f)
		if err != nil {
			return s, err
		}
		s.Routes = append(s.Routes, routes...)
	}
	return s.sorted(), nil
}

// addressOf leaves out link-local addresses, which the kernel makes, and temporary ones (RFC 8981), which it makes
// from a router's advertisement.
func addressOf(a netlink.Addr) (Address, bool) {
	p, ok := PrefixOf(a.IPNet)
	if !ok || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() {
		return Address{}, false
	}
	if p.Addr().Is6() && a.Flags&unix.IFA_F_TEMPORARY != 0 {
		return Address{}, false
	}
	got := Address{Prefix: p, Scope: a.Scope, NoPrefixRoute: a.Flags&unix.IFA_F_NOPREFIXROUTE != 0}
	if peer, ok := PrefixOf(a.Peer); ok && peer.Addr() != p.Addr() {
		got.Peer = peer
	}
	return got, true
}

// DumpRoutes lists the routes of all tables. A dump that a change interrupted is read again by the next turn of
// the loop, which that change causes, if it is not a route of the kernel's: then by the next audit.
func DumpRoutes(f int) ([]netlink.Route, error) {
	routes, err := netlink.RouteListFiltered(f, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("routes: %w", err)
	}
	return routes, nil
}

func routesOf(link netlink.Link, f int) ([]Route, error) {
	routes, err := DumpRoutes(f)
	if err != nil {
		return nil, err
	}
	var kept []Route
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Protocol == unix.RTPROT_KERNEL || r.Protocol == Protocol || !over(r, link.Attrs().Index) {
			continue
		}
		got, ok := RouteOf(r, f)
		if !ok || got.Dst.Addr().IsLinkLocalUnicast() || got.Dst.Addr().IsMulticast() {
			continue
		}
		kept = append(kept, got)
	}
	return kept, nil
}

// over tells whether a route leaves by the interface alone.
func over(r netlink.Route, index int) bool {
	for _, h := range r.MultiPath {
		if h.LinkIndex != index {
			return false
		}
	}
	return len(r.MultiPath) > 0 || r.LinkIndex == index
}

// RouteOf returns a route of family f in the form that a move keeps; false if it has no such form.
func RouteOf(r netlink.Route, f int) (Route, bool) {
	got := Route{
		Table: r.Table, Metric: r.Priority, Scope: int(r.Scope), Protocol: int(r.Protocol), TOS: r.Tos,
		OnLink: r.Flags&int(netlink.FLAG_ONLINK) != 0,
		MTU:    r.MTU, AdvMSS: r.AdvMSS, Window: r.Window, InitialWindow: r.InitCwnd, HopLimit: r.Hoplimit,
	}
	var ok bool
	if got.Dst, ok = PrefixOf(r.Dst); !ok {
		got.Dst = Everything(netip.IPv4Unspecified())
		if f == netlink.FAMILY_V6 {
			got.Dst = Everything(netip.IPv6Unspecified())
		}
	}
	got.Gateway = AddrOf(r.Gw)
	got.Source = AddrOf(r.Src)
	if via, isVia := r.Via.(*netlink.Via); isVia {
		got.Gateway = AddrOf(via.Addr) // IPv4 by way of an IPv6 next hop (RFC 5549)
	}
	for _, h := range r.MultiPath {
		got.Hops = append(got.Hops, Hop{Gateway: AddrOf(h.Gw), Weight: h.Hops, OnLink: h.Flags&int(netlink.FLAG_ONLINK) != 0})
	}
	return got, true
}

// PrefixOf returns a network or an address with its prefix length; false if there is none.
func PrefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a := AddrOf(n.IP)
	bits, size := n.Mask.Size()
	if !a.IsValid() || size == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, bits), true
}

// AddrOf returns an address, IPv4 as such; the zero Addr if there is none.
func AddrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func contains(prefixes []netip.Prefix, p netip.Prefix) bool {
	for _, q := range prefixes {
		if p.Addr() == q.Addr() {
			return true
		}
	}
	return false
}

// Link returns an interface, or nil.
func Link(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return link, nil
}
