package kernel

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddState gives an interface what it lacks of a state. It takes nothing away.
func AddState(link netlink.Link, want, have State) error {
	for _, a := range want.Addresses {
		if slices.ContainsFunc(have.Addresses, func(b Address) bool { return a.Prefix == b.Prefix }) {
			continue
		}
		if err := AddAddress(link, a); err != nil {
			return err
		}
	}
	for _, r := range want.Routes {
		if slices.ContainsFunc(have.Routes, r.equal) {
			continue
		}
		if err := netlink.RouteReplace(r.netlink(link)); err != nil {
			return fmt.Errorf("route %s over %s: %w", r.Dst, link.Attrs().Name, err)
		}
	}
	return nil
}

// AddAddress gives an interface an address that can be used at once.
func AddAddress(link netlink.Link, a Address) error {
	n := &netlink.Addr{IPNet: IPNet(a.Prefix), Scope: a.Scope}
	if a.Peer.IsValid() {
		n.Peer = IPNet(a.Peer)
	}
	if a.NoPrefixRoute {
		n.Flags |= unix.IFA_F_NOPREFIXROUTE
	}
	if a.Prefix.Addr().Is6() {
		// No duplicate address detection: the address was the NIC's a moment ago, and would be unusable for a second.
		n.Flags |= unix.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(link, n); err != nil {
		return fmt.Errorf("address %s on %s: %w", a.Prefix, link.Attrs().Name, err)
	}
	return nil
}

// AddAliasAddress adds an address that the kernel shall not choose as the source of the host's own connections: of
// link scope (IPv4), or deprecated (IPv6, RFC 6724 rule 3).
func AddAliasAddress(link netlink.Link, p netip.Prefix) error {
	n := &netlink.Addr{IPNet: IPNet(p)}
	if p.Addr().Is4() {
		n.Scope = unix.RT_SCOPE_LINK
	} else {
		n.Flags = unix.IFA_F_NODAD
		n.ValidLft, n.PreferedLft = math.MaxUint32, 0
	}
	if err := netlink.AddrReplace(link, n); err != nil {
		return fmt.Errorf("address %s on %s: %w", p, link.Attrs().Name, err)
	}
	return nil
}

// DropState takes from an interface the addresses and routes of a state; routes by way of an address go with it.
func DropState(link netlink.Link, state State) error {
	for _, r := range state.Routes {
		// Most have been replaced by the route over the other interface already.
		_ = netlink.RouteDel(r.netlink(link))
	}
	for _, a := range state.Addresses {
		n := &netlink.Addr{IPNet: IPNet(a.Prefix)}
		if a.Peer.IsValid() {
			n.Peer = IPNet(a.Peer)
		}
		// A primary IPv4 address takes its secondary ones along, so one that is gone is no error.
		if err := netlink.AddrDel(link, n); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s from %s: %w", a.Prefix, link.Attrs().Name, err)
		}
	}
	return nil
}

// netlink returns the route over an interface in the library's form.
func (r Route) netlink(link netlink.Link) *netlink.Route {
	n := &netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: IPNet(r.Dst), Gw: IP(r.Gateway), Src: IP(r.Source), Table: r.Table, Priority: r.Metric,
		Scope: netlink.Scope(r.Scope), Protocol: netlink.RouteProtocol(r.Protocol), Tos: r.TOS, Type: unix.RTN_UNICAST,
		MTU: r.MTU, AdvMSS: r.AdvMSS, Window: r.Window, InitCwnd: r.InitialWindow, Hoplimit: r.HopLimit,
	}
	if r.OnLink {
		n.Flags |= int(netlink.FLAG_ONLINK)
	}
	if r.Gateway.Is6() && r.Dst.Addr().Is4() {
		n.Gw, n.Via = nil, &netlink.Via{AddrFamily: unix.AF_INET6, Addr: IP(r.Gateway)}
	}
	for _, h := range r.Hops {
		info := &netlink.NexthopInfo{LinkIndex: link.Attrs().Index, Gw: IP(h.Gateway), Hops: h.Weight}
		if h.OnLink {
			info.Flags |= int(netlink.FLAG_ONLINK)
		}
		n.MultiPath = append(n.MultiPath, info)
	}
	if len(r.Hops) > 0 {
		n.LinkIndex = 0
	}
	return n
}

// IPNet is the reverse of PrefixOf.
func IPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: IP(p.Addr()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// IP is the reverse of AddrOf.
func IP(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}

// Everything returns the network of all addresses of a family: the destination of a default route.
func Everything(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
