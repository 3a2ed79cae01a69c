package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// What pods do not reach: the ports by which the network is administered (config.ClosedPorts), on any node. To the
// addresses of other nodes a pod comes by its gateway router: policies, behind load balancers, so that a Service is no
// way around. The alias network, by which a gateway router speaks to its host, no pod reaches at all. To its own node,
// and to the ovn0 of others, it comes with its own address, and the node does not answer (the agent's rules,
// pkg/agent). An ACL of the host port would do as well, but on a switch with load balancers any ACL makes northd
// (25.03) commit every connection of every pod to conntrack.

// NodesSet is the name of the Address_Set that has the addresses of all nodes of a family.
func NodesSet(is4 bool) string {
	if is4 {
		return "woven_nodes_v4"
	}
	return "woven_nodes_v6"
}

// Priorities of the policies of a gateway router, and of the cluster router's drop (its others are 1004 and 1005).
const (
	nodeItself  = 1010
	closedPorts = 1005
	noAliases   = 1010
)

// clusterClosed returns the cluster's part: the sets of all nodes' addresses, and the drop of what goes to an alias.
func clusterClosed(v *kube.View, c *config.Parsed) []row.Row {
	var rows []row.Row
	for _, is4 := range []bool{true, false} {
		set := &nb.AddressSet{Name: NodesSet(is4)}
		for _, n := range v.Nodes() {
			for _, a := range nodeAddresses(c, n) {
				if a.Is4() == is4 {
					set.Addresses = append(set.Addresses, a.String())
				}
			}
		}
		slices.Sort(set.Addresses)
		set.Addresses = slices.Compact(set.Addresses)
		if slices.ContainsFunc(c.Cluster, func(p netip.Prefix) bool { return p.Addr().Is4() == is4 }) {
			rows = append(rows, row.Row{ID: row.ID{Table: nb.AddressSetTable, Name: set.Name}, Model: set})
		}
	}
	for _, alias := range used(c, c.Alias) {
		match := fmt.Sprintf("%s.dst == %s", ip(alias.Addr()), alias)
		rows = append(rows, policy(ClusterRouter, "alias/"+alias.String(), nb.LogicalRouterPolicy{
			Priority: noAliases, Match: match, Action: nb.LogicalRouterPolicyActionDrop,
		}))
	}
	return rows
}

// nodeAddresses returns all addresses of the cluster's families by which a Node can be reached, sorted.
func nodeAddresses(c *config.Parsed, node *corev1.Node) []netip.Addr {
	return addressesOfTypes(c, node, corev1.NodeInternalIP, corev1.NodeExternalIP)
}

// gatewayClosed returns the policies of the gateway router. The node itself comes here by Services, with the address of
// ovn0, and goes where it likes. Policies come behind load balancers and before SNAT (ovn-northd(8)).
func (n node) gatewayClosed() []row.Row {
	router := GatewayRouter(n.name)
	var rows []row.Row
	for i, s := range n.subnets {
		family, host := ip(s.Addr()), n.hosts()[i]
		alias, hasAlias := sameFamilyNetwork(s.Addr(), n.config.Alias)
		to := fmt.Sprintf("{$%s}", NodesSet(s.Addr().Is4()))
		if hasAlias {
			to = fmt.Sprintf("{$%s, %s}", NodesSet(s.Addr().Is4()), alias)
		}
		rows = append(rows,
			policy(router, "itself/"+host.String(), nb.LogicalRouterPolicy{
				Priority: nodeItself, Action: nb.LogicalRouterPolicyActionAllow,
				Match: fmt.Sprintf("inport == %q && %s.src == %s", GatewayJoinPort(n.name), family, host),
			}),
			policy(router, "closed/"+family, nb.LogicalRouterPolicy{
				Priority: closedPorts, Action: nb.LogicalRouterPolicyActionDrop,
				Match: fmt.Sprintf("%s.dst == %s && (%s)", family, to, closedTCP(n.config)),
			}))
	}
	return rows
}

// closedTCP matches what goes to a closed port. Of a TCP packet in fragments Open vSwitch 3.5 knows the ports only if
// the first has the whole header, and a kernel puts it together however it was cut; but TCP never needs to be cut
// (path MTU discovery), so no fragment passes.
func closedTCP(c *config.Parsed) string {
	var ports []string
	for _, p := range c.ClosedPorts() {
		ports = append(ports, fmt.Sprint(p))
	}
	return fmt.Sprintf("tcp.dst == {%s} || (tcp && ip.is_frag)", strings.Join(ports, ", "))
}

func sameFamilyNetwork(a netip.Addr, all []netip.Prefix) (netip.Prefix, bool) {
	for _, p := range all {
		if p.Addr().Is4() == a.Is4() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
