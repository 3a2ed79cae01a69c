// Package hostnet is the host's own place on its pod network: ovn0, and the routes, rules and settings that lead to pods and
// Services. PlanHost is pure and says what there should be; Plan.Apply makes the difference to what the kernel has.
package hostnet

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Routing tables of our own.
const (
	// nodePortTable is for the node's connections to its own node ports.
	nodePortTable = 8787
	// closedTable drops what the host would forward to pods and Services.
	closedTable = 8788
	// podsTable drops what came from a pod and is not for the host itself.
	podsTable = 8789
)

// Priorities of routing rules (ip-rule(8)).
const (
	// nodePortRule stands before the kernel's local table.
	nodePortRule = 50
	// localRule is where the local table moves to from 0, the first priority of all.
	localRule = 100
	// closedRule and podsRule stand behind it: what is for the host itself is not theirs.
	closedRule = 110
	podsRule   = 111
	silentRule = 112
)

// Plan is what the host needs to reach pods, Services and itself through Services.
type Plan struct {
	// Addresses are ovn0's.
	Addresses []netip.Prefix
	Routes    []hostRoute
	Rules     []hostRule
	// Neighbours are permanent ones on br-ex: the gateway router's aliases. It has br-ex's MAC.
	Neighbours []netip.Addr
	// Aliases are br-ex's own addresses in the alias networks.
	Aliases []netip.Prefix
}

// hostRoute is a route over ovn0, or one that drops.
type hostRoute struct {
	dst netip.Prefix
	// drops: a blackhole (ip-route(8)), without a next hop.
	drops bool
	via   netip.Addr
	// source is ovn0's address. It is not left to the kernel: for a connection to an address of the node itself,
	// IPv6 would choose that very address (RFC 6724 rule 1), and the answers would never leave the host.
	source netip.Addr
	// table is a routing table; 254 is the main one.
	table int
	// onlink: the kernel does not look the next hop up. Needed outside of the main table with IPv6: that lookup has no
	// incoming interface at all (rt6_lookup, kernel 6.18), which closedRule takes for a forwarded packet.
	onlink bool
}

// hostRule sends packets to a routing table. A field that is zero matches everything.
type hostRule struct {
	family, priority, table int
	// incoming is the interface that a packet came in by. "lo" is how rules name what the host sends by itself.
	incoming string
	// not: everything but what the other fields say.
	not      bool
	to       netip.Prefix
	protocol int
	// ports are destination ports, from are source ports.
	ports, from config.PortRange
}

// PlanHost is pure: what the configuration and the node's port make of the host. The port has addresses, with prefix lengths, in
// the node's pod networks (subnets); as long as none is known there are no routes, but already br-ex's aliases.
func PlanHost(addresses, subnets []netip.Prefix, ips []netip.Addr, c *config.Parsed) Plan {
	p := Plan{Addresses: addresses}
	for _, subnet := range subnets {
		is4, router := subnet.Addr().Is4(), ipam.Router(subnet)
		var own netip.Addr
		for _, a := range addresses {
			if subnet.Contains(a.Addr()) {
				own = a.Addr()
			}
		}
		for _, n := range slices.Concat(c.Cluster, c.Service) {
			if n.Addr().Is4() == is4 {
				p.Routes = append(p.Routes, hostRoute{dst: n, via: router, source: own, table: kernel.MainTable})
			}
		}
		for _, a := range ips {
			if a.Is4() != is4 {
				continue
			}
			p.Routes = append(p.Routes, hostRoute{dst: kernel.Everything(a), via: router, source: own, table: nodePortTable, onlink: !is4})
			for _, protocol := range []int{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP} {
				p.Rules = append(p.Rules, hostRule{
					family: familyOf(is4), priority: nodePortRule, table: nodePortTable,
					incoming: "lo", to: netip.PrefixFrom(a, a.BitLen()), protocol: protocol, ports: c.NodePort,
				})
			}
		}
		routes, rules := noRouter(is4, c)
		p.Routes, p.Rules = append(p.Routes, routes...), append(p.Rules, rules...)
		p.Rules = append(p.Rules, silent(is4, c)...)
	}
	for _, network := range c.Alias {
		if !slices.ContainsFunc(ips, func(a netip.Addr) bool { return a.Is4() == network.Addr().Is4() }) {
			continue
		}
		a := nodelink.AliasesOf(network)
		p.Neighbours = append(p.Neighbours, a.Router)
		p.Aliases = append(p.Aliases, a.Own)
	}
	return p
}

// noRouter returns the routes and rules by which the host, though it forwards packets, is no way around OVN. They hold
// for all interfaces of the host, and need no packet filter. Also with config.ForwardingOpen: br-ex's flows bring to
// the gateway router what the underlay sends to pods, and the host sees none of it.
func noRouter(is4 bool, c *config.Parsed) (routes []hostRoute, rules []hostRule) {
	family, all := familyOf(is4), kernel.Everything(netip.IPv4Unspecified())
	if !is4 {
		all = kernel.Everything(netip.IPv6Unspecified())
	}
	for _, n := range slices.Concat(c.Cluster, c.Service, c.Alias) {
		if n.Addr().Is4() == is4 {
			routes = append(routes, hostRoute{dst: n, drops: true, table: closedTable})
		}
	}
	return append(routes, hostRoute{dst: all, drops: true, table: podsTable}), []hostRule{
		{family: family, priority: closedRule, table: closedTable, incoming: "lo", not: true},
		// A pod that writes ovn0's MAC into its packets has the host forward them to wherever it likes, with the pod's
		// own address and past all that OVN does at the router: address translation, policies.
		{family: family, priority: podsRule, table: podsTable, incoming: nodelink.HostInterface},
	}
}

// silent returns the rules by which the host does not answer pods from the ports by which the network is administered:
// no handshake is finished. It is the answer that is dropped, and not the question, since the question may come to any
// address of the host, and in fragments that show no port.
func silent(is4 bool, c *config.Parsed) []hostRule {
	var rules []hostRule
	for _, n := range c.Cluster {
		if n.Addr().Is4() != is4 {
			continue
		}
		for _, ports := range ranges(c.ClosedPorts()) {
			rules = append(rules, hostRule{
				family: familyOf(is4), priority: silentRule, table: podsTable, incoming: "lo", to: n, protocol: unix.IPPROTO_TCP, from: ports,
			})
		}
	}
	return rules
}

// ranges joins sorted ports that follow each other.
func ranges(ports []uint16) []config.PortRange {
	var all []config.PortRange
	for _, p := range ports {
		if last := len(all) - 1; last >= 0 && all[last].Last+1 == p {
			all[last].Last = p
			continue
		}
		all = append(all, config.PortRange{First: p, Last: p})
	}
	return all
}
