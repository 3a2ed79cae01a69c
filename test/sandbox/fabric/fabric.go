// Package fabric makes the underlay: a bridge in the fabric machine, with a cable to the NIC eth0 of every other
// machine. Links are made inside the machines' network namespaces; the root namespace never sees one.
package fabric

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

const (
	bridge = "br-fabric"
	// NIC is the name of the cable's end in a machine.
	NIC = "eth0"
)

// SetUpBridge makes the bridge and the fabric's addresses, and lets the fabric route. It does nothing to what is
// as it should be.
func SetUpBridge(fabric machine.Machine, p plan.Plan) error {
	h, err := open(fabric)
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = bridge, plan.MTU
	// Snooping without a querier would drop the multicast that IPv6 finds its neighbours with.
	snooping := false
	err = h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping})
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("fabric: %s: %w", bridge, err)
	}
	if err := addresses(h, bridge, p.Gateway); err != nil {
		return err
	}
	if err := addresses(h, "lo", p.Remote); err != nil {
		return err
	}
	return fabric.Run("sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
}

// Plug lays a cable from the fabric to a machine and gives its NIC its addresses and default routes. A machine that
// has its NIC is left alone: whoever manages its network may have moved the addresses since.
func Plug(fabric, m machine.Machine, p plan.Plan, addrs []netip.Prefix) error {
	h, err := open(m)
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err := h.LinkByName(NIC); err == nil {
		return nil
	}
	if err := cable(fabric, m); err != nil {
		return fmt.Errorf("%s: cable to the fabric: %w", m.Name, err)
	}
	for _, end := range []struct {
		machine machine.Machine
		name    string
	}{{m, NIC}, {fabric, m.Name}} {
		// On a real wire every packet has its checksum. Between veths it is left out, and Open vSwitch in
		// userspace would drop what it cannot verify.
		if err := end.machine.Run("ethtool", "--offload", end.name, "tx", "off"); err != nil {
			return err
		}
	}
	if err := addresses(h, NIC, addrs); err != nil {
		return err
	}
	return defaultRoutes(h, p.Gateway)
}

// cable makes a veth pair with one end in the machine and one on the fabric's bridge, called like the machine.
func cable(fabric, m machine.Machine) error {
	h, err := open(fabric)
	if err != nil {
		return err
	}
	defer h.Close()
	br, err := h.LinkByName(bridge)
	if err != nil {
		return err
	}
	// After a machine's sudden end the kernel takes its cable away in its own time.
	if old, err := h.LinkByName(m.Name); err == nil {
		_ = h.LinkDel(old) // gone already, or else the next line fails
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = m.Name, plan.MTU, br.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: NIC, PeerMTU: plan.MTU, PeerNamespace: netlink.NsPid(m.PID), PeerHardwareAddr: mac(m.Name)}
	if err := h.LinkAdd(veth); err != nil {
		return err
	}
	return h.LinkSetUp(veth)
}

// mac is the address that a machine's NIC always has. A card keeps its own over a reboot, and so others may remember
// it: Open vSwitch sends tunnelled packets to it for up to 15 minutes without asking again.
func mac(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(name))
	return append(net.HardwareAddr{0x02}, sum[:5]...) // a locally administered one (IEEE 802)
}

// addresses brings a link up and adds what addresses it lacks, without the second that IPv6 takes for looking
// whether somebody else has the address.
func addresses(h *netlink.Handle, name string, want []netip.Prefix) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s: up: %w", name, err)
	}
	for _, p := range want {
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrReplace(link, a); err != nil {
			return fmt.Errorf("%s: address %s: %w", name, p, err)
		}
	}
	return nil
}

func defaultRoutes(h *netlink.Handle, gateways []netip.Prefix) error {
	link, err := h.LinkByName(NIC)
	if err != nil {
		return err
	}
	for _, gw := range gateways {
		any4or6 := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gw.Addr().Is6() {
			any4or6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(any4or6), Gw: gw.Addr().AsSlice()}
		if err := h.RouteReplace(r); err != nil {
			return fmt.Errorf("%s: default route via %s: %w", NIC, gw.Addr(), err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// open returns a netlink handle in a machine's network namespace.
func open(m machine.Machine) (*netlink.Handle, error) {
	ns, err := netns.GetFromPath(m.NetNS())
	if err != nil {
		return nil, fmt.Errorf("%s: network namespace: %w", m.Name, err)
	}
	defer func() { _ = ns.Close() }()
	return netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
}
