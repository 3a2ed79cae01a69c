package topology

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Node returns the rows of a node. A node without pod networks (see Subnets) has none. One whose gateway is not yet
// known has its switch, so its pods reach each other, other nodes' pods and the node itself; the way out follows.
func Node(in kind.Input, owner row.Owner) ([]row.Row, error) {
	name := owner.Name
	subnets, err := Subnets(in.View, in.Config, name)
	if err != nil || len(subnets) == 0 {
		return nil, nil // What is wrong with its podCIDRs becomes an Event; another try would find the same.
	}
	n := node{name: name, config: in.Config, object: in.View.Node(name), subnets: subnets,
		join: in.JoinAddresses(name), gateway: inCluster(in.Config, in.Gateway(name))}
	rows := append(n.podSwitch(), n.toHost()...)
	if !n.gateway.IsZero() {
		rows = append(rows, n.wayOut()...)
		rows = append(rows, n.gatewayRouter()...)
		rows = append(rows, n.gatewayRoutes()...)
		rows = append(rows, n.gatewayNAT()...)
		rows = append(rows, n.gatewayClosed()...)
	}
	return row.Sort(rows), nil
}

// node is what its parts below are made from.
type node struct {
	name    string
	config  *config.Parsed
	object  *corev1.Node
	subnets []netip.Prefix
	join    []netip.Addr
	gateway nodelink.Gateway
}

// podSwitch returns the node's switch, the cluster router's port on it, and the port of the node itself.
func (n node) podSwitch() []row.Row {
	routers, hosts := routersOf(n.subnets), n.hosts()
	hostOptions := n.zoneLimit(hostConnections)
	hostOptions[nodelink.RequestedChassis] = n.name
	return []row.Row{
		{
			ID: row.ID{Table: nb.LogicalSwitchTable, Name: Switch(n.name)},
			Model: &nb.LogicalSwitch{
				Name: Switch(n.name), LoadBalancerGroup: []string{row.Ref(nb.LoadBalancerGroupTable, ServicesGroup)},
				Copp: protected("woven-switch"), OtherConfig: n.zoneLimit(n.config.PodConnections),
			},
		},
		routerPort(ClusterRouter, nb.LogicalRouterPort{
			Name: ClusterPort(n.name), MAC: ipam.MAC(routers...).String(), Networks: onNetwork(n.subnets, routers),
			// What comes from here and stays not in the cluster takes the default route of this table, see wayOut.
			Options: map[string]string{"route_table": n.name},
		}),
		peerPort(Switch(n.name), ClusterPort(n.name)),
		// No port_security: the node sends from its other addresses here too, when it answers its pods.
		switchPort(Switch(n.name), nb.LogicalSwitchPort{
			Name:        nodelink.HostPort(n.name),
			Addresses:   []string{nodelink.PortAddresses(hosts)},
			Options:     hostOptions,
			ExternalIDs: map[string]string{nodelink.SubnetsKey: nodelink.Words(n.subnets)},
		}),
	}
}

// toHost returns the policies that bring a pod to its own node. Without them its packet would leave by the gateway
// router with the node's address as its source, and the node would see itself.
func (n node) toHost() []row.Row {
	addresses := hostAddresses(n.config, n.object)
	for _, a := range n.gateway.Addresses {
		addresses = append(addresses, a.Addr())
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	var rows []row.Row
	for _, a := range slices.Compact(addresses) {
		host, ok := sameFamily(a, n.hosts())
		if !ok {
			continue
		}
		rows = append(rows, reroute(fmt.Sprintf("%s/host/%s", n.name, a), 1004, n.fromSwitchTo(a), host))
	}
	return rows
}

// wayOut returns what on the cluster router leads from the node's switch to the node's gateway router. A default
// route in a table of the node's own, rather than one by source address, loses against every connected network
// whatever their lengths are, and nothing that comes back from a gateway router ever takes it: no loop.
func (n node) wayOut() []row.Row {
	var rows []row.Row
	for _, s := range n.subnets {
		if join, ok := sameFamily(s.Addr(), n.join); ok {
			rows = append(rows, route(ClusterRouter, nb.LogicalRouterStaticRoute{
				IPPrefix: anywhere(s.Addr()), Nexthop: join.String(), RouteTable: n.name,
			}, n.name+"/"+anywhere(s.Addr())))
		}
	}
	// The node talking to itself by a Service must be changed to another source, which the gateway router does.
	for _, a := range n.gateway.Addresses {
		host, hasHost := sameFamily(a.Addr(), n.hosts())
		join, hasJoin := sameFamily(a.Addr(), n.join)
		if hasHost && hasJoin {
			match := fmt.Sprintf("%s && %s.src == %s", n.fromSwitchTo(a.Addr()), ip(host), host)
			rows = append(rows, reroute(fmt.Sprintf("%s/self/%s", n.name, a.Addr()), 1005, match, join))
		}
	}
	return rows
}

// hostConnections is for the node itself, whose proxies may serve many.
const hostConnections = 1 << 20

// zoneLimit returns the option that bounds the connections of a port, or of each port of a switch (ovn-nb(5)): a pod
// has no more than that, and the node's table has room for others. Without a bound it is left out: zero is "unlimited"
// there, but the userspace datapath of Open vSwitch 3.5 then tracks no connection at all.
func (n node) zoneLimit(connections int) map[string]string {
	options := map[string]string{}
	if n.config.PodConnections != 0 {
		options["ct-zone-limit"] = fmt.Sprint(connections)
	}
	return options
}

func (n node) fromSwitchTo(a netip.Addr) string {
	return fmt.Sprintf("inport == %q && %s.dst == %s", ClusterPort(n.name), ip(a), a)
}

// hosts returns the addresses of the interface ovn0.
func (n node) hosts() []netip.Addr {
	var all []netip.Addr
	for _, s := range n.subnets {
		all = append(all, ipam.Host(s))
	}
	return all
}

// reroute returns a policy of the cluster router that sends what matches to a next hop.
func reroute(key string, priority int, match string, nextHop netip.Addr) row.Row {
	return policy(ClusterRouter, key, nb.LogicalRouterPolicy{
		Priority: priority, Match: match, Action: nb.LogicalRouterPolicyActionReroute, Nexthops: []string{nextHop.String()},
	})
}

// policy returns a policy whose ID is "<router>/<key>".
func policy(router, key string, p nb.LogicalRouterPolicy) row.Row {
	return row.Row{
		ID:    row.ID{Table: nb.LogicalRouterPolicyTable, Name: router + "/" + key},
		Model: &p,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalRouterTable, Name: router}, Column: "policies"}},
	}
}

// route returns a static route whose ID is "<router>/<key>".
func route(router string, r nb.LogicalRouterStaticRoute, key string) row.Row {
	return row.Row{
		ID:    row.ID{Table: nb.LogicalRouterStaticRouteTable, Name: router + "/" + key},
		Model: &r,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalRouterTable, Name: router}, Column: "static_routes"}},
	}
}

// ip returns the name of the address's protocol in OVN's expressions.
func ip(a netip.Addr) string {
	if a.Is4() {
		return "ip4"
	}
	return "ip6"
}

func anywhere(a netip.Addr) string {
	if a.Is4() {
		return "0.0.0.0/0"
	}
	return "::/0"
}

func sameFamily(a netip.Addr, all []netip.Addr) (netip.Addr, bool) {
	for _, other := range all {
		if other.Is4() == a.Is4() {
			return other, true
		}
	}
	return netip.Addr{}, false
}
