package hostnet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Apply makes the host as planned. ovn0 and br-ex exist and have their MACs.
func (p Plan) Apply(host, ex netlink.Link) error {
	if err := relaxReversePath(); err != nil {
		return err
	}
	if err := kernel.Apply(hostSettings()); err != nil {
		return err
	}
	if err := p.setAddresses(host); err != nil {
		return err
	}
	if host.Attrs().Flags&unix.IFF_UP == 0 {
		if err := netlink.LinkSetUp(host); err != nil {
			return fmt.Errorf("set %s up: %w", nodelink.HostInterface, err)
		}
	}
	if err := p.setRoutes(host); err != nil {
		return err
	}
	if err := p.setAliases(ex); err != nil {
		return err
	}
	return setRules(p.Rules)
}

func (p Plan) setAddresses(host netlink.Link) error {
	have, err := kernel.ReadState(host, nil)
	if err != nil {
		return err
	}
	var want, stale kernel.State
	for _, a := range p.Addresses {
		want.Addresses = append(want.Addresses, kernel.Address{Prefix: a})
	}
	for _, a := range have.Addresses {
		if !slices.Contains(p.Addresses, a.Prefix) {
			stale.Addresses = append(stale.Addresses, a)
		}
	}
	if err := kernel.DropState(host, stale); err != nil {
		return err
	}
	return kernel.AddState(host, want, have)
}

func (r hostRoute) netlink(host netlink.Link) *netlink.Route {
	if r.drops {
		return &netlink.Route{Type: unix.RTN_BLACKHOLE, Dst: kernel.IPNet(r.dst), Table: r.table, Protocol: kernel.Protocol}
	}
	flags := 0
	if r.onlink {
		flags = int(netlink.FLAG_ONLINK)
	}
	return &netlink.Route{
		LinkIndex: host.Attrs().Index, Dst: kernel.IPNet(r.dst), Gw: kernel.IP(r.via), Src: kernel.IP(r.source), Table: r.table,
		Protocol: kernel.Protocol, Flags: flags,
	}
}

// setRoutes adds the planned routes and removes others of ours.
func (p Plan) setRoutes(host netlink.Link) error {
	for _, f := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		have, err := kernel.DumpRoutes(f)
		if err != nil {
			return err
		}
		var ours []hostRoute
		for _, r := range have {
			if r.Protocol != kernel.Protocol {
				continue
			}
			got, _ := kernel.RouteOf(r, f)
			h := hostRoute{
				dst: got.Dst, via: got.Gateway, source: got.Source, table: got.Table, onlink: got.OnLink,
				drops: r.Type == unix.RTN_BLACKHOLE,
			}
			if (h.drops || r.LinkIndex == host.Attrs().Index) && slices.Contains(p.Routes, h) {
				ours = append(ours, h)
				continue
			}
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route %s: %w", got.Dst, err)
			}
		}
		for _, r := range p.Routes {
			if r.dst.Addr().Is4() != (f == netlink.FAMILY_V4) || slices.Contains(ours, r) {
				continue
			}
			if err := netlink.RouteReplace(r.netlink(host)); err != nil {
				return fmt.Errorf("route %s via %s: %w", r.dst, r.via, err)
			}
		}
	}
	return nil
}

func (p Plan) setAliases(ex netlink.Link) error {
	addrs, err := netlink.AddrList(ex, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", nodelink.ExternalBridge, err)
	}
	for _, own := range p.Aliases {
		there := slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return kernel.AddrOf(a.IP) == own.Addr() })
		if there {
			continue
		}
		if err := kernel.AddAliasAddress(ex, own); err != nil {
			return err
		}
	}
	for _, a := range p.Neighbours {
		n := &netlink.Neigh{LinkIndex: ex.Attrs().Index, IP: kernel.IP(a), HardwareAddr: ex.Attrs().HardwareAddr, State: unix.NUD_PERMANENT}
		if err := netlink.NeighSet(n); err != nil {
			return fmt.Errorf("neighbour %s on %s: %w", a, nodelink.ExternalBridge, err)
		}
	}
	return nil
}
