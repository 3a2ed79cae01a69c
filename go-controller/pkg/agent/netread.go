package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const mainTable = unix.RT_TABLE_MAIN

// readState reads what of an interface a move to another must keep: its global addresses and its routes, except
// those that the kernel makes by itself and those of our own.
func readState(link netlink.Link, own []netip.Prefix) (netState, error) {
	var s netState
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
func addressOf(a netlink.Addr) (address, bool) {
	p, ok := prefixOf(a.IPNet)
	if !ok || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() {
		return address{}, false
	}
	if p.Addr().Is6() && a.Flags&unix.IFA_F_TEMPORARY != 0 {
		return address{}, false
	}
	got := address{Prefix: p, Scope: a.Scope, NoPrefixRoute: a.Flags&unix.IFA_F_NOPREFIXROUTE != 0}
	if peer, ok := prefixOf(a.Peer); ok && peer.Addr() != p.Addr() {
		got.Peer = peer
	}
	return got, true
}

// dumpRoutes lists the routes of all tables. A dump that a change interrupted is read again by the next turn of
// the loop, which that change causes, if it is not a route of the kernel's: then by the next audit.
func dumpRoutes(f int) ([]netlink.Route, error) {
	routes, err := netlink.RouteListFiltered(f, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("routes: %w", err)
	}
	return routes, nil
}

func routesOf(link netlink.Link, f int) ([]route, error) {
	routes, err := dumpRoutes(f)
	if err != nil {
		return nil, err
	}
	var kept []route
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Protocol == unix.RTPROT_KERNEL || r.Protocol == routeProtocol || !over(r, link.Attrs().Index) {
			continue
		}
		got, ok := routeOf(r, f)
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

func routeOf(r netlink.Route, f int) (route, bool) {
	got := route{
		Table: r.Table, Metric: r.Priority, Scope: int(r.Scope), Protocol: int(r.Protocol), TOS: r.Tos,
		OnLink: r.Flags&int(netlink.FLAG_ONLINK) != 0,
		MTU:    r.MTU, AdvMSS: r.AdvMSS, Window: r.Window, InitialWindow: r.InitCwnd, HopLimit: r.Hoplimit,
	}
	var ok bool
	if got.Dst, ok = prefixOf(r.Dst); !ok {
		got.Dst = everything(netip.IPv4Unspecified())
		if f == netlink.FAMILY_V6 {
			got.Dst = everything(netip.IPv6Unspecified())
		}
	}
	got.Gateway = addrOf(r.Gw)
	got.Source = addrOf(r.Src)
	if via, isVia := r.Via.(*netlink.Via); isVia {
		got.Gateway = addrOf(via.Addr) // IPv4 by way of an IPv6 next hop (RFC 5549)
	}
	for _, h := range r.MultiPath {
		got.Hops = append(got.Hops, hop{Gateway: addrOf(h.Gw), Weight: h.Hops, OnLink: h.Flags&int(netlink.FLAG_ONLINK) != 0})
	}
	return got, true
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a := addrOf(n.IP)
	bits, size := n.Mask.Size()
	if !a.IsValid() || size == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, bits), true
}

func addrOf(ip net.IP) netip.Addr {
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
