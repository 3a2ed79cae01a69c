// Package podlink is the pair of interfaces between the host and a pod: it is made, given its addresses, verified and removed.
// It knows no database.
package podlink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
)

// Link is a pair of interfaces between the host and a pod, as it should be.
type Link struct {
	// Host is the name of the end in the host, IfName of the one in the pod.
	Host, IfName string
	// Alias is given to the host's end (ip-link(8)).
	Alias string
	// MAC is the pod's.
	MAC net.HardwareAddr
	// Addresses are the pod's, with the prefix lengths of its networks, Gateways its next hops, of each family one.
	Addresses []netip.Prefix
	Gateways  []netip.Addr
}

// Connect makes the pair of interfaces between the host and a pod's network namespace, and returns the host's end, whose
// ParentIndex is the index of the pod's. The pod's end has its MAC and gets its addresses later (Configure). In a burst each call to the
// kernel waits for those of all others, for network devices have one lock in the whole machine: so nothing is asked that is known. At
// each change of an interface ovs-vswitchd looks at all of its own: so what changes this one is done at once, before it is told of it.
func Connect(l Link, netns *os.File, mtu int, userspace bool) (netlink.Link, error) {
	host := l.Host
	veth := &netlink.Veth{
		// As many queues as are used, or the kernel takes the others away again, waiting for a grace period for each end.
		LinkAttrs: netlink.LinkAttrs{Name: host, MTU: mtu, NumTxQueues: 1, NumRxQueues: 1},
		PeerName:  l.IfName, PeerNamespace: netlink.NsFd(netns.Fd()), PeerMTU: uint32(mtu), PeerHardwareAddr: l.MAC,
	}
	err := netlink.LinkAdd(veth)
	if errors.Is(err, unix.EEXIST) {
		// What an agent left that was killed in the middle of an ADD.
		if err := Disconnect(host); err != nil {
			return nil, err
		}
		err = netlink.LinkAdd(veth)
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", host, err)
	}
	link, err := netlink.LinkByName(host)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", host, err)
	}
	flags := uint32(unix.IFF_UP)
	if userspace {
		if err := kernel.Hook(link); err != nil {
			return nil, err
		}
		if err := kernel.NoOffloadAtBirth(host); err != nil {
			return nil, err
		}
		// ovs-vswitchd would set the first. The kernel answers no ARP before it hears nothing at all (silence).
		flags |= unix.IFF_PROMISC | unix.IFF_NOARP
	}
	return link, start(link, l.Alias, flags)
}

// start sets the host's end up, with its alias and without an IPv6 address, by which the kernel would speak and answer on it.
// The setting disable_ipv6 says more, but its writer does not wait for the lock of network devices: it tries again and again
// (restart_syscall, net/ipv6/addrconf.c), and in a burst never gets it. (docs/pipeline-node.md, "Traps found")
//
// All three are one request; the kernel makes no address before the other end is up, too.
func start(link netlink.Link, alias string, flags uint32) error {
	request := func(attributes ...*nl.RtAttr) error {
		r := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
		message := nl.NewIfInfomsg(unix.AF_UNSPEC)
		message.Index, message.Flags, message.Change = int32(link.Attrs().Index), flags, flags
		r.AddData(message)
		for _, a := range attributes {
			r.AddData(a)
		}
		_, err := r.Execute(unix.NETLINK_ROUTE, 0)
		return err
	}
	name := nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(alias))
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	families.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{nl.IN6_ADDR_GEN_MODE_NONE})
	err := request(name, families)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		err = request(name) // a kernel without IPv6
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// Disconnect removes the pair, if it is there.
func Disconnect(host string) error {
	link, err := kernel.Link(host)
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		if still, _ := kernel.Link(host); still == nil {
			return nil // The namespace, and with it the pair, went at the same moment.
		}
		return fmt.Errorf("remove %s: %w", host, err)
	}
	return nil
}

// IsNetns tells what is wrong with what the shim sent as network namespace. A path is an ordinary, empty file when
// the shim runs in another mount namespace than the container runtime.
func IsNetns(netns *os.File) error {
	if netns == nil {
		return os.ErrNotExist
	}
	return ns.IsNSorErr(descriptor(netns))
}

func descriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// inside runs f in a network namespace.
func inside(netns *os.File, f func() error) error {
	n, err := ns.GetNS(descriptor(netns))
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer func() { _ = n.Close() }()
	return n.Do(func(ns.NetNS) error { return f() })
}

// Configure sets the pod's end, known by its index, up and gives it its addresses and default routes.
func Configure(l Link, netns *os.File, index int, userspace bool) error {
	return inside(netns, func() error {
		link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Name: l.IfName, Index: index}}
		if userspace {
			if err := kernel.NoOffloadAtBirth(l.IfName); err != nil {
				return err
			}
		}
		settings := podSettings(l.IfName)
		for _, a := range l.Addresses {
			if a.Addr().Is6() {
				settings = append(settings, kernel.Setting{Path: "ipv6/conf/" + l.IfName + "/disable_ipv6", Value: 0})
			}
		}
		if err := kernel.Apply(settings); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s in the pod up: %w", l.IfName, err)
		}
		for _, a := range l.Addresses {
			if err := kernel.AddAddress(link, kernel.Address{Prefix: a}); err != nil {
				return err
			}
		}
		for _, g := range l.Gateways {
			if err := netlink.RouteReplace(defaultRoute(link, g)); err != nil {
				return fmt.Errorf("default route via %s in the pod: %w", g, err)
			}
		}
		return nil
	})
}

func defaultRoute(link netlink.Link, gateway netip.Addr) *netlink.Route {
	return &netlink.Route{LinkIndex: link.Attrs().Index, Dst: kernel.IPNet(kernel.Everything(gateway)), Gw: kernel.IP(gateway)}
}

// Verify tells what a pod's end lacks of what it was given.
func Verify(l Link, netns *os.File) error {
	return inside(netns, func() error {
		link, err := netlink.LinkByName(l.IfName)
		if err != nil {
			return fmt.Errorf("interface %s is gone from the pod: %w", l.IfName, err)
		}
		if link.Attrs().HardwareAddr.String() != l.MAC.String() {
			return fmt.Errorf("interface %s in the pod has the MAC %s, not %s", l.IfName, link.Attrs().HardwareAddr, l.MAC)
		}
		have, err := kernel.ReadState(link, nil)
		if err != nil {
			return err
		}
		for _, a := range l.Addresses {
			if len(have.Among([]netip.Addr{a.Addr()})) == 0 {
				return fmt.Errorf("interface %s in the pod has lost the address %s", l.IfName, a)
			}
		}
		if hops := have.NextHops(); len(hops) < len(l.Gateways) {
			return fmt.Errorf("the pod has lost a default route: it has %v, not %v", hops, l.Gateways)
		}
		return nil
	})
}

// podSettings are those of a pod's end. What it says by itself when it comes up reaches every pod of its logical switch, and ovs-vswitchd
// works out for each such packet the way to each of them: five packets for each of 30 pods that start together were a
// third of its work.
func podSettings(name string) []kernel.Setting {
	return []kernel.Setting{
		// OVN sends no router advertisements; nobody else on the pod's wire shall be believed.
		{Path: "ipv6/conf/" + name + "/accept_ra", Value: 0},
		// Its link-local address is made of its MAC, which is nobody else's: there are no duplicates to detect (RFC 4862, 5.4), and
		// it can be used at once.
		{Path: "ipv6/conf/" + name + "/accept_dad", Value: 0},
		// The groups it is in are not reported again for those who may have missed it (RFC 3810, 6.1, in milliseconds): on this wire
		// nobody listens to reports, and nothing is lost.
		{Path: "ipv6/conf/" + name + "/mldv2_unsolicited_report_interval", Value: 3600_000},
	}
}
