package topology

import (
	"net/netip"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Cluster returns the rows that all nodes share: the cluster router, the join switch between it and the gateway
// routers, the group of all Services' load balancers, the sets of all nodes' addresses, and the meters of control plane
// protection.
func Cluster(in kind.Input, _ row.Owner) ([]row.Row, error) {
	join := JoinNetworks(in.Config)
	rows := []row.Row{
		{ID: row.ID{Table: nb.LogicalRouterTable, Name: ClusterRouter}, Model: &nb.LogicalRouter{Name: ClusterRouter, Copp: protected("woven-cluster")}},
		{ID: row.ID{Table: nb.LogicalSwitchTable, Name: JoinSwitch}, Model: &nb.LogicalSwitch{Name: JoinSwitch}},
		{ID: row.ID{Table: nb.LoadBalancerGroupTable, Name: ServicesGroup}, Model: &nb.LoadBalancerGroup{Name: ServicesGroup}},
		routerPort(ClusterRouter, nb.LogicalRouterPort{
			Name: JoinPort, MAC: ipam.MAC(routersOf(join)...).String(), Networks: onNetwork(join, routersOf(join)),
		}),
		peerPort(JoinSwitch, JoinPort),
	}
	rows = append(rows, protectionRows()...)
	return row.Sort(append(rows, clusterClosed(in.View, in.Config)...)), nil
}

// routersOf returns the router's address in each network.
func routersOf(networks []netip.Prefix) []netip.Addr {
	var all []netip.Addr
	for _, n := range networks {
		all = append(all, ipam.Router(n))
	}
	return all
}

// onNetwork returns addresses with the length of the network they lie in, as the column networks of a router port
// wants them.
func onNetwork(networks []netip.Prefix, addresses []netip.Addr) []string {
	var all []string
	for _, a := range addresses {
		for _, n := range networks {
			if n.Contains(a) {
				all = append(all, netip.PrefixFrom(a, n.Bits()).String())
			}
		}
	}
	return all
}

// routerPort returns a router's port. Its options and networks are the caller's.
func routerPort(router string, port nb.LogicalRouterPort) row.Row {
	return row.Row{
		ID:    row.ID{Table: nb.LogicalRouterPortTable, Name: port.Name},
		Model: &port,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalRouterTable, Name: router}, Column: "ports"}},
	}
}

// peerPort returns the switch port that a router port is plugged into. "router" as its address means that of the
// router port.
func peerPort(logicalSwitch, routerPort string) row.Row {
	return switchPort(logicalSwitch, nb.LogicalSwitchPort{
		Name: peer(routerPort), Type: "router", Addresses: []string{"router"}, Options: map[string]string{"router-port": routerPort},
	})
}

func switchPort(logicalSwitch string, port nb.LogicalSwitchPort) row.Row {
	return row.Row{
		ID:    row.ID{Table: nb.LogicalSwitchPortTable, Name: port.Name},
		Model: &port,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalSwitchTable, Name: logicalSwitch}, Column: "ports"}},
	}
}
