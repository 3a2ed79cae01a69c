// Package uplink is the node's NIC: it is found, what it has is decided, moved to br-ex, lent back while br-ex is dead, and
// restored in the end.
package uplink

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Uplink is the node's NIC and what br-ex has from it.
type Uplink struct {
	// NIC is the interface; it is a port of br-ex, or is to become one.
	NIC netlink.Link
	// Ex is br-ex's local port, or nil as long as ovs-vswitchd has not made it.
	Ex netlink.Link
	// nicState and exState are what the two have now.
	nicState, exState kernel.State
	// Memory is what br-ex should have.
	Memory Memory
}

// Find looks at the node's interfaces. own are the addresses that are br-ex's alone.
func Find(remembered Memory, ips []netip.Addr, own []netip.Prefix) (Uplink, error) {
	var u Uplink
	boot, err := bootID()
	if err != nil {
		return u, err
	}
	if u.Ex, err = kernel.Link(nodelink.ExternalBridge); err != nil {
		return u, err
	}
	if u.NIC, err = findNIC(remembered, ips); err != nil {
		return u, err
	}
	if u.nicState, err = kernel.ReadState(u.NIC, nil); err != nil {
		return u, err
	}
	if u.Ex != nil {
		if u.exState, err = kernel.ReadState(u.Ex, own); err != nil {
			return u, err
		}
	}
	before := remembered.Before
	if before == nil {
		before = kernel.ReadSettings(globalSettings)
	}
	rebooted := remembered.Boot != boot
	if name := u.NIC.Attrs().Name; remembered.NIC != name {
		remembered, rebooted = Memory{NIC: name}, true
	}
	u.Memory = Memory{
		NIC: u.NIC.Attrs().Name, MAC: u.NIC.Attrs().HardwareAddr.String(), MTU: u.NIC.Attrs().MTU, Boot: boot, Before: before,
		State: decide(remembered.State, u.nicState, u.exState, rebooted),
	}
	if found := u.Memory.Among(ips); len(found) < len(ips) {
		return u, fmt.Errorf("the node's addresses are %v, but %s has only %v; set them on %s, or correct the Node's addresses",
			ips, u.Memory.NIC, found, u.Memory.NIC)
	}
	return u, nil
}

// findNIC returns the interface that has the node's addresses, or the remembered one when br-ex has them.
func findNIC(remembered Memory, ips []netip.Addr) (netlink.Link, error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		addrs, err := netlink.AddrList(nil, family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("addresses: %w", err)
		}
		for _, a := range addrs {
			if p, ok := kernel.PrefixOf(a.IPNet); !ok || !slices.Contains(ips, p.Addr()) {
				continue
			}
			link, err := netlink.LinkByIndex(a.LinkIndex)
			if err != nil {
				return nil, fmt.Errorf("interface %d: %w", a.LinkIndex, err)
			}
			if name := link.Attrs().Name; name != nodelink.ExternalBridge && name != nodelink.HostInterface {
				return link, nil
			}
		}
	}
	if remembered.NIC == "" {
		return nil, fmt.Errorf("no interface has the node's address %v; set it, or correct the Node's addresses", ips)
	}
	link, err := kernel.Link(remembered.NIC)
	if err != nil {
		return nil, err
	}
	if link == nil {
		return nil, fmt.Errorf("the NIC %s is gone; plug it in, or give the node's address %v to another", remembered.NIC, ips)
	}
	return link, nil
}

// Move gives br-ex what it should have and takes it from the NIC. An address is on br-ex before it leaves the
// NIC, so there is no moment without it, and connections (ssh) stay.
func (u Uplink) Move() error {
	name := u.Memory.NIC
	if err := kernel.Apply(bridgeSettings()); err != nil {
		return err
	}
	for _, l := range []netlink.Link{u.NIC, u.Ex} {
		if l.Attrs().Flags&unix.IFF_UP == 0 {
			if err := netlink.LinkSetUp(l); err != nil {
				return fmt.Errorf("set %s up: %w", l.Attrs().Name, err)
			}
		}
	}
	if err := kernel.AddState(u.Ex, u.Memory.State, u.exState); err != nil {
		return err
	}
	if err := kernel.DropState(u.NIC, u.nicState); err != nil {
		return err
	}
	return kernel.Apply(quietSettings(name))
}

// Gateway is what the controller must know of this node.
func (u Uplink) Gateway(ips []netip.Addr) nodelink.Gateway {
	return nodelink.Gateway{MAC: u.NIC.Attrs().HardwareAddr, Addresses: u.Memory.Among(ips), NextHops: u.Memory.NextHops()}
}

// RouterAdvertisements tells whether the node's network configures IPv6 by router advertisements.
func (u Uplink) RouterAdvertisements() bool {
	return slices.ContainsFunc(u.Memory.Routes, func(r kernel.Route) bool { return r.Protocol == unix.RTPROT_RA })
}

// bootID is another after each boot (random(4)).
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot ID: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
