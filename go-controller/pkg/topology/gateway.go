package topology

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// HairpinAddresses returns the source addresses, one of each family, that a pod sees when it reaches itself by a
// Service. They are link-local, so that no policy and no log takes them for a peer's.
func HairpinAddresses(c *config.Parsed) []netip.Addr { return aliases(c, nodelink.AliasHairpin) }

func aliases(c *config.Parsed, n uint32) []netip.Addr {
	var all []netip.Addr
	for _, network := range used(c, c.Alias) {
		all = append(all, ipam.Nth(network, n))
	}
	return all
}

// inCluster leaves out what is of a family that has no pods.
func inCluster(c *config.Parsed, g nodelink.Gateway) nodelink.Gateway {
	g.Addresses = used(c, g.Addresses)
	g.NextHops = slices.DeleteFunc(slices.Clone(g.NextHops), func(a netip.Addr) bool { return !inUse(c, a) })
	return g
}

// gatewayRouter returns the gateway router, its ports, and the external switch.
func (n node) gatewayRouter() []row.Row {
	router := GatewayRouter(n.name)
	join := JoinNetworks(n.config)
	external := onNetwork(used(n.config, n.config.Alias), aliases(n.config, nodelink.AliasRouter))
	for _, a := range n.gateway.Addresses {
		external = append(external, a.String())
	}
	rows := []row.Row{
		{
			ID: row.ID{Table: nb.LogicalRouterTable, Name: router},
			Model: &nb.LogicalRouter{
				Name:              router,
				Copp:              protected("woven-gateway"),
				LoadBalancerGroup: []string{row.Ref(nb.LoadBalancerGroupTable, ServicesGroup)},
				ExternalIDs:       map[string]string{GatewayKey: n.gateway.String()},
				Options: map[string]string{
					"chassis": n.name,
					// Replies to what was balanced here must come back here: the backend sees the join address.
					"lb_force_snat_ip": "router_ip",
					// The zone of the host's own connections, so that OVN and the host never choose one port twice.
					"snat-ct-zone": "0",
					// Neighbours out there are many; learn only those that speak to us, forget those that do no more.
					"always_learn_from_arp_request": "false",
					"mac_binding_age_threshold":     "300",
					// Gateway routers never speak to each other: no flows for every pair of them.
					"dynamic_neigh_routers": "true",
				},
			},
		},
		routerPort(router, nb.LogicalRouterPort{
			Name: GatewayJoinPort(n.name), MAC: ipam.MAC(n.join...).String(), Networks: onNetwork(join, n.join),
		}),
		peerPort(JoinSwitch, GatewayJoinPort(n.name)),
		routerPort(router, nb.LogicalRouterPort{Name: GatewayExtPort(n.name), MAC: n.gateway.MAC.String(), Networks: external}),
		peerPort(ExtSwitch(n.name), GatewayExtPort(n.name)),
		{
			ID: row.ID{Table: nb.LogicalSwitchTable, Name: ExtSwitch(n.name)},
			Model: &nb.LogicalSwitch{
				Name: ExtSwitch(n.name),
				// ARP and ND for others than the router are the host's business.
				OtherConfig: map[string]string{"broadcast-arps-to-all-routers": "false"},
			},
		},
		switchPort(ExtSwitch(n.name), nb.LogicalSwitchPort{
			Name: LocalnetPort(n.name), Type: "localnet", Addresses: []string{"unknown"}, Options: map[string]string{"network_name": nodelink.PhysicalNetwork},
		}),
	}
	// With dynamic_neigh_routers the router would ask for its one neighbour's MAC, which is known.
	for _, a := range routersOf(join) {
		rows = append(rows, neighbour(GatewayJoinPort(n.name), a, ipam.MAC(routersOf(join)...).String()))
	}
	// A MAC that nobody has. The real one of br-ex is the router port's own, and the external switch would send
	// the packet back to where it came from.
	hosts := aliases(n.config, nodelink.AliasHost)
	for _, a := range hosts {
		rows = append(rows, neighbour(GatewayExtPort(n.name), a, ipam.MAC(hosts...).String()))
	}
	return rows
}

// gatewayRoutes returns the gateway router's routes: pods by the cluster router, everything else by the node's own
// default routes.
func (n node) gatewayRoutes() []row.Row {
	var rows []row.Row
	for _, c := range n.config.Cluster {
		if via, ok := sameFamily(c.Addr(), routersOf(JoinNetworks(n.config))); ok {
			rows = append(rows, route(GatewayRouter(n.name), nb.LogicalRouterStaticRoute{IPPrefix: c.String(), Nexthop: via.String()}, c.String()))
		}
	}
	port := GatewayExtPort(n.name)
	for _, via := range n.gateway.NextHops {
		// The port must be named: an IPv6 next hop is often link-local and could be behind any.
		rows = append(rows, route(GatewayRouter(n.name), nb.LogicalRouterStaticRoute{
			IPPrefix: anywhere(via), Nexthop: via.String(), OutputPort: &port,
		}, anywhere(via)))
	}
	return rows
}

// gatewayNAT returns the gateway router's address translations.
func (n node) gatewayNAT() []row.Row {
	var rows []row.Row
	for _, a := range n.gateway.Addresses {
		address := a.Addr()
		// What no load balancer took goes to the host.
		if host, ok := sameFamily(address, aliases(n.config, nodelink.AliasHost)); ok {
			rows = append(rows, n.nat("host/"+address.String(), nb.NAT{Type: nb.NATTypeDNAT, ExternalIP: address.String(), LogicalIP: host.String()}))
		}
		// Egress: pods leave with their node's address.
		for _, s := range n.subnets {
			if s.Addr().Is4() == address.Is4() {
				rows = append(rows, n.nat("egress/"+s.String(), nb.NAT{Type: nb.NATTypeSNAT, ExternalIP: address.String(), LogicalIP: s.String()}))
			}
		}
		// What was balanced here and leaves by the external port again. Of a port with several networks
		// lb_force_snat_ip=router_ip takes the first in alphabetical order (OVN 25.03). A NAT with a match goes before it,
		// and one with a higher priority before that. "Not to the alias network" in one row would say the same, but
		// cost a flow for each of the network's bits, and ovs-ofctl cannot read those of IPv6 again.
		leaves := fmt.Sprintf("flags.force_snat_for_lb == 1 && outport == %q", GatewayExtPort(n.name))
		rows = append(rows, n.nat("balanced/"+anywhere(address), nb.NAT{
			Type: nb.NATTypeSNAT, ExternalIP: address.String(), LogicalIP: anywhere(address), Match: leaves,
		}))
		for i, alias := range used(n.config, n.config.Alias) {
			if alias.Addr().Is4() == address.Is4() {
				rows = append(rows, n.nat("balanced-to-host/"+anywhere(address), nb.NAT{
					Type: nb.NATTypeSNAT, ExternalIP: aliases(n.config, nodelink.AliasRouter)[i].String(), LogicalIP: anywhere(address),
					Match: fmt.Sprintf("%s && %s.dst == %s", leaves, ip(address), alias), Priority: 1,
				}))
			}
		}
	}
	// The node reaching itself by a Service: with its own address as the source its answer would never leave it.
	for i, host := range aliases(n.config, nodelink.AliasHost) {
		if ovn0, ok := sameFamily(host, n.hosts()); ok {
			rows = append(rows, n.nat("self/"+ovn0.String(), nb.NAT{
				Type: nb.NATTypeSNAT, ExternalIP: aliases(n.config, nodelink.AliasRouter)[i].String(), LogicalIP: ovn0.String(),
				// Needs OVN 24.09. Without it, what the node sends to other nodes would be changed too.
				Match: fmt.Sprintf("%s.dst == %s", ip(host), host),
			}))
		}
	}
	return rows
}

func (n node) nat(key string, nat nb.NAT) row.Row {
	router := GatewayRouter(n.name)
	return row.Row{
		ID:    row.ID{Table: nb.NATTable, Name: router + "/" + key},
		Model: &nat,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalRouterTable, Name: router}, Column: "nat"}},
	}
}

// neighbour returns a fixed MAC for an IP address behind a router port.
func neighbour(port string, a netip.Addr, mac string) row.Row {
	return row.Row{
		ID:    row.ID{Table: nb.StaticMACBindingTable, Name: row.PortBindingName(port, a.String())},
		Model: &nb.StaticMACBinding{LogicalPort: port, IP: a.String(), MAC: mac, OverrideDynamicMAC: true},
	}
}
