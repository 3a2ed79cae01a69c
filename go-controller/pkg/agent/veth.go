package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
)

// connect makes the pair of interfaces between the host and a pod's network namespace, and returns the host's end, whose
// ParentIndex is the index of the pod's. The pod's end has its MAC and gets its addresses later (configure). In a burst each call to the
// kernel waits for those of all others, for network devices have one lock in the whole machine: so nothing is asked that is known. At
// each change of an interface ovs-vswitchd looks at all of its own: so what changes this one is done at once, before it is told of it.
func connect(a attachment, netns *os.File, mtu int, userspace bool) (netlink.Link, error) {
	host := a.host()
	veth := &netlink.Veth{
		// As many queues as are used, or the kernel takes the others away again, waiting for a grace period for each end.
		LinkAttrs: netlink.LinkAttrs{Name: host, MTU: mtu, NumTxQueues: 1, NumRxQueues: 1},
		PeerName:  a.IfName, PeerNamespace: netlink.NsFd(netns.Fd()), PeerMTU: uint32(mtu), PeerHardwareAddr: a.MAC,
	}
	err := netlink.LinkAdd(veth)
	if errors.Is(err, unix.EEXIST) {
		// What an agent left that was killed in the middle of an ADD.
		if err := disconnect(host); err != nil {
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
		if err := hook(link); err != nil {
			return nil, err
		}
		if err := noOffloadAtBirth(host); err != nil {
			return nil, err
		}
		// ovs-vswitchd would set the first. The kernel answers no ARP before it hears nothing at all (silence).
		flags |= unix.IFF_PROMISC | unix.IFF_NOARP
	}
	return link, start(link, a.alias(), flags)
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

// disconnect removes the pair, if it is there.
func disconnect(host string) error {
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

// isNetns tells what is wrong with what the shim sent as network namespace. A path is an ordinary, empty file when
// the shim runs in another mount namespace than the container runtime.
func isNetns(netns *os.File) error {
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

// configure sets the pod's end, known by its index, up and gives it its addresses and default routes.
func configure(netns *os.File, ifName string, index int, p podPort, userspace bool) error {
	return inside(netns, func() error {
		link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Name: ifName, Index: index}}
		if userspace {
			if err := noOffloadAtBirth(ifName); err != nil {
				return err
			}
		}
		settings := podSettings(ifName)
		for _, a := range p.Addresses {
			if a.Addr().Is6() {
				settings = append(settings, kernel.Setting{Path: "ipv6/conf/" + ifName + "/disable_ipv6", Value: 0})
			}
		}
		if err := kernel.Apply(settings); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s in the pod up: %w", ifName, err)
		}
		for _, a := range p.Addresses {
			if err := kernel.AddAddress(link, kernel.Address{Prefix: a}); err != nil {
				return err
			}
		}
		for _, g := range p.Gateways {
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

// verify tells what a pod's end lacks of what it was given.
func verify(netns *os.File, ifName string, p podPort) error {
	return inside(netns, func() error {
		link, err := netlink.LinkByName(ifName)
		if err != nil {
			return fmt.Errorf("interface %s is gone from the pod: %w", ifName, err)
		}
		if link.Attrs().HardwareAddr.String() != p.MAC.String() {
			return fmt.Errorf("interface %s in the pod has the MAC %s, not %s", ifName, link.Attrs().HardwareAddr, p.MAC)
		}
		have, err := kernel.ReadState(link, nil)
		if err != nil {
			return err
		}
		for _, a := range p.Addresses {
			if len(have.Among([]netip.Addr{a.Addr()})) == 0 {
				return fmt.Errorf("interface %s in the pod has lost the address %s", ifName, a)
			}
		}
		if hops := have.NextHops(); len(hops) < len(p.Gateways) {
			return fmt.Errorf("the pod has lost a default route: it has %v, not %v", hops, p.Gateways)
		}
		return nil
	})
}
