package uplink

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// alive tells whether a process carries packets for an internal port of the userspace datapath. When ovs-vswitchd ends, its
// taps vanish or stay without a carrier. One that is not up yet has no carrier either.
func alive(ex netlink.Link) bool {
	return ex != nil && (ex.Attrs().RawFlags&unix.IFF_UP == 0 || ex.Attrs().RawFlags&unix.IFF_LOWER_UP != 0)
}

// Rescue lends the NIC what br-ex has from it while ovs-vswitchd is away, and tells whether it is. In the userspace
// datapath nothing else carries the node's packets then, and the kubelet could not even learn that it should start a new
// ovs-vswitchd. As soon as br-ex lives again the loop moves all back. (The kernel's datapath works without
// ovs-vswitchd.)
func Rescue(m Memory) (away bool, err error) {
	ex, err := kernel.Link(nodelink.ExternalBridge)
	if err != nil || m.NIC == "" || alive(ex) {
		return false, err
	}
	nic, err := kernel.Link(m.NIC)
	if err != nil || nic == nil {
		return true, err
	}
	return true, lend(nic, ex, m.State)
}

// Recall makes up for a memory that an agent cannot read, because it starts while the Open_vSwitch database is away too:
// br-ex, dead, still has the state, and the NIC is the other interface with its MAC.
func Recall(ips []netip.Addr, own []netip.Prefix) (Memory, error) {
	ex, err := kernel.Link(nodelink.ExternalBridge)
	if err != nil || ex == nil || alive(ex) {
		return Memory{}, err
	}
	state, err := kernel.ReadState(ex, own)
	if err != nil || len(state.Among(ips)) == 0 {
		return Memory{}, err
	}
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return Memory{}, fmt.Errorf("interfaces: %w", err)
	}
	for _, l := range links {
		if l.Attrs().Name != nodelink.ExternalBridge && l.Attrs().HardwareAddr.String() == ex.Attrs().HardwareAddr.String() {
			return Memory{NIC: l.Attrs().Name, State: state}, nil
		}
	}
	return Memory{}, nil
}

// lend moves a state from br-ex, which may be gone, to the NIC.
func lend(nic, ex netlink.Link, state kernel.State) error {
	if err := kernel.Unquiet(nic); err != nil {
		return err
	}
	if err := kernel.Apply([]kernel.Setting{{Path: "ipv6/conf/" + nic.Attrs().Name + "/disable_ipv6", Value: 0}}); err != nil {
		return err
	}
	have, err := kernel.ReadState(nic, nil)
	if err != nil {
		return err
	}
	if err := kernel.AddState(nic, state, have); err != nil {
		return fmt.Errorf("give %s back: %w", nic.Attrs().Name, err)
	}
	if ex == nil {
		return nil
	}
	return kernel.DropState(ex, state)
}

// Restore gives the NIC what br-ex has from it, and the node its settings. own are the addresses that are br-ex's alone.
func Restore(remembered Memory, ips []netip.Addr, own []netip.Prefix) error {
	if remembered.NIC == "" {
		return nil
	}
	u, err := Find(remembered, ips, own)
	if err != nil {
		return err
	}
	if err := kernel.RestoreOffload(u.Memory.NIC); err != nil {
		return err
	}
	var settings []kernel.Setting
	for path, value := range u.Memory.Before {
		settings = append(settings, kernel.Setting{Path: path, Value: value})
	}
	if err := kernel.Apply(settings); err != nil {
		return err
	}
	if u.Ex != nil {
		var aliases kernel.State
		for _, p := range own {
			aliases.Addresses = append(aliases.Addresses, kernel.Address{Prefix: p})
		}
		if err := kernel.DropState(u.Ex, aliases); err != nil {
			return err
		}
	}
	return lend(u.NIC, u.Ex, u.Memory.State)
}
