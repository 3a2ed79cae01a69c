// Package plan turns the sandbox's options into names and addresses: which machines there are and what networks
// they share. It is pure; the packages that make things read the plan.
package plan

import (
	"fmt"
	"net/netip"
	"slices"
)

// Names of the machines that are always there.
const (
	ControlPlane = "control-plane"
	External     = "external"
	Fabric       = "fabric"
)

// MTU of the underlay, in bytes. It leaves pods a full 1500 after Geneve over IPv6.
const MTU = 1600

// APIServerPort is where kube-apiserver listens on the control-plane node.
const APIServerPort = 6443

// Options are what a user may choose.
type Options struct {
	// Nodes is the number of nodes, the control-plane node included.
	Nodes int `json:"nodes"`
	// Families is "dual", "ipv4" or "ipv6".
	Families string `json:"families"`
	// Datapath is Open vSwitch's: "netdev" (userspace) or "system" (the kernel's openvswitch module).
	Datapath string `json:"datapath"`
	// Woven is false for a cluster without a pod network.
	Woven bool `json:"woven"`
	// Hosts maps a worker to the number that its addresses end in, if it is not the usual one: its machine was replaced.
	Hosts map[string]int `json:"hosts,omitempty"`
}

// Defaults are the options of a plain `make up`.
func Defaults() Options {
	return Options{Nodes: 3, Families: "dual", Datapath: "netdev", Woven: true}
}

// Machine is a network namespace with its processes: a node of the cluster, or the host outside of it.
type Machine struct {
	Name string
	// Addresses are those of its NIC eth0 on the underlay, with the underlay's prefix length; IPv4 first.
	Addresses []netip.Prefix
}

// Plan is a sandbox as it should be. Lists of addresses and networks hold one of each family in use, IPv4 first.
type Plan struct {
	Options
	// Nodes are the cluster's nodes, the control-plane node first.
	Nodes []Machine
	// External is a host on the underlay that is no node.
	External Machine
	// Gateway is the fabric's address on the underlay, the default route of all machines.
	Gateway []netip.Prefix
	// Remote are addresses of the fabric's outside of the underlay: what is reached only by the default route.
	Remote []netip.Prefix
	// ClusterCIDRs hold the pods, ServiceCIDRs the Services.
	ClusterCIDRs, ServiceCIDRs []netip.Prefix
}

// New checks the options and derives the plan. The error says what an option may be.
func New(o Options) (Plan, error) {
	if o.Nodes < 1 || o.Nodes > 100 {
		return Plan{}, fmt.Errorf("NODES=%d: choose 1 to 100, the control-plane node is one of them", o.Nodes)
	}
	if o.Families != "dual" && o.Families != "ipv4" && o.Families != "ipv6" {
		return Plan{}, fmt.Errorf("FAMILIES=%s: choose dual, ipv4 or ipv6", o.Families)
	}
	if o.Datapath != "netdev" && o.Datapath != "system" {
		return Plan{}, fmt.Errorf("DATAPATH=%s: choose netdev (userspace) or system (needs the kernel module openvswitch)", o.Datapath)
	}
	p := Plan{
		Options:      o,
		External:     Machine{External, o.prefixes("172.30.0.200/24", "fd00:172:30::200/64")},
		Gateway:      o.prefixes("172.30.0.1/24", "fd00:172:30::1/64"),
		Remote:       o.prefixes("198.51.100.1/32", "2001:db8:64::1/128"),
		ClusterCIDRs: o.prefixes("10.244.0.0/16", "fd00:10:244::/56"),
		ServiceCIDRs: o.prefixes("10.96.0.0/16", "fd00:10:96::/112"),
	}
	used := map[int]string{1: Fabric, 200: External}
	for i := range o.Nodes {
		name, host := ControlPlane, 10+i
		if i > 0 {
			name = fmt.Sprintf("worker-%d", i)
			if h, ok := o.Hosts[name]; ok {
				host = h
			}
		}
		if other := used[host]; other != "" || host < 1 || host > 254 {
			return Plan{}, fmt.Errorf("%s cannot have addresses that end in %d: choose 1 to 254, and none that is taken %s", name, host, other)
		}
		used[host] = name
		p.Nodes = append(p.Nodes, Machine{name, o.prefixes(
			fmt.Sprintf("172.30.0.%d/24", host), fmt.Sprintf("fd00:172:30::%d/64", host))})
	}
	for name := range o.Hosts {
		if !slices.ContainsFunc(p.Nodes[1:], func(m Machine) bool { return m.Name == name }) {
			return Plan{}, fmt.Errorf("%s is no worker of this sandbox", name)
		}
	}
	return p, nil
}

func (o Options) prefixes(v4, v6 string) []netip.Prefix {
	var ps []netip.Prefix
	if o.Families != "ipv6" {
		ps = append(ps, netip.MustParsePrefix(v4))
	}
	if o.Families != "ipv4" {
		ps = append(ps, netip.MustParsePrefix(v6))
	}
	return ps
}

// Machines are the nodes and the external host.
func (p Plan) Machines() []Machine {
	return append(append([]Machine(nil), p.Nodes...), p.External)
}

// DNS are the addresses of the cluster's DNS Service: the tenth of each Service network.
func (p Plan) DNS() []netip.Addr { return nth(p.ServiceCIDRs, 10) }

// KubernetesService are the addresses of the Service "kubernetes": the first of each Service network.
func (p Plan) KubernetesService() []netip.Addr { return nth(p.ServiceCIDRs, 1) }

// APIServer is the address and port at which the nodes reach kube-apiserver.
func (p Plan) APIServer() netip.AddrPort {
	return netip.AddrPortFrom(p.Nodes[0].Addresses[0].Addr(), APIServerPort)
}

// IPs are the machine's addresses without their prefix lengths.
func (m Machine) IPs() []netip.Addr { return Addrs(m.Addresses) }

// Addrs drops the prefix lengths.
func Addrs(ps []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, len(ps))
	for i, p := range ps {
		addrs[i] = p.Addr()
	}
	return addrs
}

func nth(ps []netip.Prefix, n int) []netip.Addr {
	addrs := Addrs(ps)
	for range n {
		for i := range addrs {
			addrs[i] = addrs[i].Next()
		}
	}
	return addrs
}
