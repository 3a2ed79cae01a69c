package nodelink

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// OptionsKey is the key of Open_vSwitch.external_ids and of the Southbound Chassis.other_config that holds a Gateway
// (ovn-controller(8), "ovn-cms-options").
const OptionsKey = "ovn-cms-options"

// The options that make a Gateway. ovn-controller defines the list as separated by commas; all of ours begin alike, so
// that those of others (such as enable-chassis-as-gw) are told apart.
const (
	prefix  = "woven-"
	keyMAC  = prefix + "mac"
	keyIP4  = prefix + "ip4"
	keyIP6  = prefix + "ip6"
	keyVia4 = prefix + "via4"
	keyVia6 = prefix + "via6"
)

// Gateway is how a node meets the world outside: what the external port of its gateway router must look like.
type Gateway struct {
	// MAC is the address of the node's br-ex; six bytes.
	MAC net.HardwareAddr
	// Addresses are the node's addresses on br-ex with their prefix lengths, at most one of each family, IPv4
	// first. The host bits are kept: 192.0.2.11/24.
	Addresses []netip.Prefix
	// NextHops are the next hops of the node's default routes, at most one of each family, IPv4 first. An
	// IPv6 next hop may be link-local (from a router advertisement); it has no zone.
	NextHops []netip.Addr
}

// IsZero tells whether nothing is known: the node's agent has not spoken yet.
func (g Gateway) IsZero() bool { return len(g.MAC) == 0 }

// Equal tells whether two gateways say the same.
func (g Gateway) Equal(o Gateway) bool {
	return slices.Equal(g.MAC, o.MAC) && slices.Equal(g.Addresses, o.Addresses) && slices.Equal(g.NextHops, o.NextHops)
}

// String returns the message:
//
//	woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24,woven-via4=192.0.2.1,woven-ip6=2001:db8::b/64,woven-via6=2001:db8::1
//
// What is absent is left out. The order is fixed, so equal gateways have equal messages.
func (g Gateway) String() string {
	if g.IsZero() {
		return ""
	}
	options := []string{keyMAC + "=" + g.MAC.String()}
	for _, is4 := range []bool{true, false} {
		ip, via := keysOf(is4)
		for _, a := range g.Addresses {
			if a.Addr().Is4() == is4 {
				options = append(options, ip+"="+a.String())
			}
		}
		for _, a := range g.NextHops {
			if a.Is4() == is4 {
				options = append(options, via+"="+a.String())
			}
		}
	}
	return strings.Join(options, ",")
}

// Merge returns options, the present value of ovn-cms-options, with our part replaced by g and the options of
// others kept in their order. Merging what is there already changes nothing.
func (g Gateway) Merge(options string) string {
	var kept []string
	for _, o := range strings.Split(options, ",") {
		if o = strings.TrimSpace(o); o != "" && !strings.HasPrefix(o, prefix) {
			kept = append(kept, o)
		}
	}
	if !g.IsZero() {
		kept = append(kept, g.String())
	}
	return strings.Join(kept, ",")
}

func keysOf(is4 bool) (ip, via string) {
	if is4 {
		return keyIP4, keyVia4
	}
	return keyIP6, keyVia6
}

// ParseGateway reads the value of ovn-cms-options. Options of others are ignored; if none is ours, the gateway is zero
// and there is no error. An error names the option that is wrong; nothing of such a message may be used.
func ParseGateway(options string) (Gateway, error) {
	values := map[string]string{}
	for _, o := range strings.Split(options, ",") {
		o = strings.TrimSpace(o)
		if !strings.HasPrefix(o, prefix) {
			continue
		}
		key, value, _ := strings.Cut(o, "=")
		if _, twice := values[key]; twice {
			return Gateway{}, fmt.Errorf("%s: %s is given twice", OptionsKey, key)
		}
		values[key] = value
	}
	if len(values) == 0 {
		return Gateway{}, nil
	}
	var g Gateway
	mac, err := net.ParseMAC(values[keyMAC])
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || bytes.Equal(mac, make([]byte, 6)) {
		return Gateway{}, fmt.Errorf("%s: %s=%q is not the Ethernet address of an interface", OptionsKey, keyMAC, values[keyMAC])
	}
	g.MAC = mac
	for _, is4 := range []bool{true, false} {
		ip, via := keysOf(is4)
		if text, ok := values[ip]; ok {
			p, err := netip.ParsePrefix(text)
			if err != nil || p.Addr().Is4() != is4 || !isHost(p.Addr()) {
				return Gateway{}, fmt.Errorf("%s: %s=%q is not a host's address with a prefix length", OptionsKey, ip, text)
			}
			g.Addresses = append(g.Addresses, p)
		}
		if text, ok := values[via]; ok {
			a, err := netip.ParseAddr(text)
			if err != nil || a.Is4() != is4 || !isHost(a) {
				return Gateway{}, fmt.Errorf("%s: %s=%q is not a host's address without a zone", OptionsKey, via, text)
			}
			g.NextHops = append(g.NextHops, a)
		}
	}
	return g, nil
}

// isHost tells whether a host can have the address, and whether it means the same everywhere.
func isHost(a netip.Addr) bool {
	return !a.Is4In6() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
}
