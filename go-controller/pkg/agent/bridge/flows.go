package bridge

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/digitalocean/go-openvswitch/ovs"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Tables of br-ex.
const (
	tableStart    = 0 // by port
	tableFromNIC  = 1 // after conntrack: does the packet belong to OVN or to the host?
	tableToHost   = 2 // after the alias became the node's address
	tableToRouter = 3 // after the node's address became the alias again
)

// Facts is everything that br-ex's flows depend on.
type Facts struct {
	// NIC and OVN are OpenFlow port numbers: the node's NIC, and the patch port that ovn-controller makes. Zero: there
	// is no such port (yet). Numbers and not names, because ovs-ofctl knows no name longer than 15 characters.
	NIC, OVN int
	// MAC is br-ex's.
	MAC net.HardwareAddr
	// NodeIPs are the node's addresses, at most one of each family.
	NodeIPs []netip.Addr
	// Alias are the networks of config.AliasCIDRs.
	Alias []netip.Prefix
	// Cluster are the networks of pods and of Services' cluster IPs.
	Cluster []netip.Prefix
	// Open lets the underlay route to Cluster (config.ForwardingOpen).
	Open     bool
	NodePort config.PortRange
}

// family is how one IP version is written in flows.
type family struct {
	ip, tcp, udp, sctp ovs.Protocol
	is4                bool
}

var families = []family{
	{ip: ovs.ProtocolIPv4, tcp: ovs.ProtocolTCPv4, udp: ovs.ProtocolUDPv4, sctp: "sctp", is4: true},
	{ip: ovs.ProtocolIPv6, tcp: ovs.ProtocolTCPv6, udp: ovs.ProtocolUDPv6, sctp: "sctp6"},
}

// to and from match an address, or a network in CIDR form.
func (f family) to(address string) ovs.Match {
	if f.is4 {
		return ovs.NetworkDestination(address)
	}
	return ovs.IPv6Destination(address)
}

func (f family) from(address string) ovs.Match {
	if f.is4 {
		return ovs.NetworkSource(address)
	}
	return ovs.IPv6Source(address)
}

func (f family) pick(addresses []netip.Addr) (netip.Addr, bool) {
	for _, a := range addresses {
		if a.Is4() == f.is4 {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Flows returns br-ex's flows, sorted, each with a cookie of its own (see sign). Without a port the flows that need it are
// left out.
func (b Facts) Flows() ([]*ovs.Flow, error) {
	flows := b.neighbours()
	for _, f := range families {
		flows = append(flows, b.tunnel(f)...)
		flows = append(flows, b.world(f)...)
		flows = append(flows, b.alias(f)...)
		flows = append(flows, b.private(f)...)
		flows = append(flows, b.routed(f)...)
		nodePorts, err := b.nodePorts(f)
		if err != nil {
			return nil, err
		}
		flows = append(flows, nodePorts...)
	}
	if b.NIC != 0 {
		flows = append(flows,
			&ovs.Flow{Priority: 10, InPort: b.NIC, Actions: []ovs.Action{ovs.Local()}},
			&ovs.Flow{Priority: 10, InPort: ovs.PortLOCAL, Actions: []ovs.Action{ovs.Output(b.NIC)}})
	}
	return sign(append(flows,
		// In the place of the one flow that a bridge has when it was just made: fail_mode standalone makes it a plain switch.
		&ovs.Flow{Actions: []ovs.Action{ovs.Drop()}},
		&ovs.Flow{Table: tableFromNIC, Actions: []ovs.Action{ovs.Local()}}))
}

// tunnel: Geneve passes between NIC and host unseen by conntrack; each packet of the overlay would otherwise pay for it
// twice. It is for the node's own addresses only: whatever else is sent to that port is no tunnel's. OVN never sends
// Geneve out of the patch port: that would be a pod's, and it has the node's address, which is a valid peer of all
// other nodes' tunnels. Of a packet in fragments this is the first, whose header is whole (RFC 8200, section 4.5; of
// UDP over IPv4 8 bytes always are); the others are never put together without it.
func (b Facts) tunnel(f family) []*ovs.Flow {
	geneve := []ovs.Match{ovs.TransportDestinationPort(genevePort)}
	var flows []*ovs.Flow
	if b.OVN != 0 {
		flows = append(flows, &ovs.Flow{Priority: 310, InPort: b.OVN, Protocol: f.udp, Matches: geneve, Actions: []ovs.Action{ovs.Drop()}})
	}
	if b.NIC == 0 {
		return flows
	}
	if node, ok := f.pick(b.NodeIPs); ok {
		flows = append(flows, &ovs.Flow{
			Priority: 300, InPort: b.NIC, Protocol: f.udp, Matches: append([]ovs.Match{f.to(node.String())}, geneve...),
			Actions: []ovs.Action{ovs.Local()},
		})
	}
	return append(flows,
		&ovs.Flow{Priority: 300, InPort: ovs.PortLOCAL, Protocol: f.udp, Matches: geneve, Actions: []ovs.Action{ovs.Output(b.NIC)}})
}

// ICMPv6 types of neighbour discovery (RFC 4861).
const (
	routerSolicitation     = 133
	routerAdvertisement    = 134
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
	redirect               = 137
)

// neighbours: ARP and neighbour discovery (RFC 4861). Both the host and the gateway router have the node's
// address and br-ex's MAC, so both hear questions and answers, and both may answer: they say the same. Router
// advertisements, solicitations and redirects are for the host alone. Above conntrack's priority, which ND, being
// IPv6, would else enter.
func (b Facts) neighbours() []*ovs.Flow {
	if b.NIC == 0 {
		return nil
	}
	var flows []*ovs.Flow
	between := func(protocol ovs.Protocol, shared bool, matches ...ovs.Match) {
		toHost := []ovs.Action{ovs.Local()}
		if shared && b.OVN != 0 {
			toHost = append(toHost, ovs.Output(b.OVN))
			flows = append(flows, &ovs.Flow{Priority: 250, InPort: b.OVN, Protocol: protocol, Matches: matches, Actions: []ovs.Action{ovs.Output(b.NIC)}})
		}
		flows = append(flows,
			&ovs.Flow{Priority: 250, InPort: b.NIC, Protocol: protocol, Matches: matches, Actions: toHost},
			&ovs.Flow{Priority: 250, InPort: ovs.PortLOCAL, Protocol: protocol, Matches: matches, Actions: []ovs.Action{ovs.Output(b.NIC)}})
	}
	between(ovs.ProtocolARP, true)
	for _, t := range []uint8{neighbourSolicitation, neighbourAdvertisement} {
		between(ovs.ProtocolICMPv6, true, ovs.ICMP6Type(t))
	}
	for _, t := range []uint8{routerSolicitation, routerAdvertisement, redirect} {
		between(ovs.ProtocolICMPv6, false, ovs.ICMP6Type(t))
	}
	return flows
}

// world: a connection with the outside is marked by who began or answered it, and its packets from the NIC go
// there. What has no mark is for the host, unless it is for a node port.
func (b Facts) world(f family) []*ovs.Flow {
	if b.NIC == 0 {
		return nil
	}
	mark := func(mark int) ovs.Action {
		return ovs.ConnectionTracking(fmt.Sprintf("commit,zone=%d,exec(set_field:%#x->ct_mark)", zoneWorld, mark))
	}
	flows := []*ovs.Flow{
		{Priority: 100, InPort: b.NIC, Protocol: f.ip, Actions: []ovs.Action{ovs.ConnectionTracking(fmt.Sprintf("table=%d,zone=%d", tableFromNIC, zoneWorld))}},
		{Priority: 100, InPort: ovs.PortLOCAL, Protocol: f.ip, Actions: []ovs.Action{mark(markHost), ovs.Output(b.NIC)}},
	}
	if b.OVN == 0 {
		return flows
	}
	flows = append(flows, &ovs.Flow{Priority: 100, InPort: b.OVN, Protocol: f.ip, Actions: []ovs.Action{mark(markOVN), ovs.Output(b.NIC)}})
	for _, state := range []ovs.CTState{ovs.CTStateEstablished, ovs.CTStateRelated} {
		flows = append(flows, &ovs.Flow{
			Table: tableFromNIC, Priority: 100, Protocol: f.ip,
			Matches: []ovs.Match{tracked(state), ovs.ConnectionTrackingMark(markOVN, 0)},
			Actions: []ovs.Action{ovs.Output(b.OVN)},
		})
	}
	return flows
}

// alias: the gateway router owns the node's address, so it reaches the host behind it under a second one, the
// alias, and shows itself to the host under a third. Conntrack's NAT turns the alias into the node's address and
// back.
func (b Facts) alias(f family) []*ovs.Flow {
	node, ok := f.pick(b.NodeIPs)
	if b.OVN == 0 || !ok {
		return nil
	}
	var flows []*ovs.Flow
	for _, network := range b.Alias {
		if network.Addr().Is4() != f.is4 {
			continue
		}
		a := nodelink.AliasesOf(network)
		flows = append(flows,
			&ovs.Flow{Priority: 200, InPort: b.OVN, Protocol: f.ip, Matches: []ovs.Match{f.to(a.Host.String())}, Actions: []ovs.Action{
				ovs.ConnectionTracking(fmt.Sprintf("commit,table=%d,zone=%d,nat(dst=%s)", tableToHost, zoneAlias, node))}},
			&ovs.Flow{Priority: 200, InPort: ovs.PortLOCAL, Protocol: f.ip, Matches: []ovs.Match{f.to(a.Router.String())}, Actions: []ovs.Action{
				ovs.ConnectionTracking(fmt.Sprintf("table=%d,zone=%d,nat", tableToRouter, zoneAlias))}},
			// The router sent the packet to the alias's dummy MAC; the host takes only what is for its own.
			&ovs.Flow{Table: tableToHost, Priority: 100, Protocol: f.ip, Actions: []ovs.Action{ovs.ModDataLinkDestination(b.MAC), ovs.Local()}},
			&ovs.Flow{Table: tableToRouter, Priority: 100, Protocol: f.ip, Actions: []ovs.Action{ovs.Output(b.OVN)}},
		)
	}
	return flows
}

// private keeps the alias networks between the router and its host: all nodes have the same ones, so on the wire
// an address of them would be everybody's. The router announces its alias (gratuitous ARP) as it does any address.
func (b Facts) private(f family) []*ovs.Flow {
	var flows []*ovs.Flow
	drop := func(port int, protocol ovs.Protocol, matches ...ovs.Match) {
		flows = append(flows, &ovs.Flow{Priority: 260, InPort: port, Protocol: protocol, Matches: matches, Actions: []ovs.Action{ovs.Drop()}})
	}
	for _, n := range b.Alias {
		network := n.Masked().String()
		switch {
		case n.Addr().Is4() != f.is4:
			continue
		case f.is4:
			drop(0, ovs.ProtocolARP, ovs.ARPTargetProtocolAddress(network))
			drop(0, ovs.ProtocolARP, ovs.ARPSourceProtocolAddress(network))
		default:
			for _, t := range []uint8{neighbourSolicitation, neighbourAdvertisement} {
				drop(0, ovs.ProtocolICMPv6, ovs.ICMP6Type(t), ovs.NeighborDiscoveryTarget(network))
				drop(0, ovs.ProtocolICMPv6, ovs.ICMP6Type(t), ovs.IPv6Source(network))
			}
		}
		if b.NIC != 0 {
			drop(b.NIC, f.ip, f.to(network))
			drop(b.NIC, f.ip, f.from(network))
		}
	}
	return flows
}

// routed: what the underlay sends to pods and Services by routing to this node. Closed, it is dropped before OVN and
// before the host, which forwards packets. Open, it goes to the gateway router, and what follows in either direction
// finds its way by conntrack as with node ports. An address of the cluster is never a source on the underlay: what
// pods send has the node's address.
func (b Facts) routed(f family) []*ovs.Flow {
	if b.NIC == 0 {
		return nil
	}
	var flows []*ovs.Flow
	for _, n := range b.Cluster {
		if n.Addr().Is4() != f.is4 {
			continue
		}
		network := n.String()
		drop := []ovs.Match{f.from(network)}
		flows = append(flows, &ovs.Flow{Priority: 260, InPort: b.NIC, Protocol: f.ip, Matches: drop, Actions: []ovs.Action{ovs.Drop()}})
		switch {
		case !b.Open:
			drop := []ovs.Match{f.to(network)}
			flows = append(flows, &ovs.Flow{Priority: 260, InPort: b.NIC, Protocol: f.ip, Matches: drop, Actions: []ovs.Action{ovs.Drop()}})
		case b.OVN != 0:
			flows = append(flows, &ovs.Flow{
				Table: tableFromNIC, Priority: 50, Protocol: f.ip,
				Matches: []ovs.Match{tracked(ovs.CTStateNew), f.to(network)}, Actions: []ovs.Action{ovs.Output(b.OVN)},
			})
		}
	}
	return flows
}

// nodePorts: new connections to the node port range go to the gateway router: one masked match for each
// power-of-two block of the range, however many Services there are.
func (b Facts) nodePorts(f family) ([]*ovs.Flow, error) {
	node, ok := f.pick(b.NodeIPs)
	if b.OVN == 0 || !ok {
		return nil, nil
	}
	blocks, err := ovs.TransportDestinationPortRange(b.NodePort.First, b.NodePort.Last).MaskedPorts()
	if err != nil {
		return nil, fmt.Errorf("node port range: %w", err)
	}
	var flows []*ovs.Flow
	for _, protocol := range []ovs.Protocol{f.tcp, f.udp, f.sctp} {
		for _, block := range blocks {
			flows = append(flows, &ovs.Flow{
				Table: tableFromNIC, Priority: 50, Protocol: protocol,
				Matches: []ovs.Match{tracked(ovs.CTStateNew), f.to(node.String()), block},
				Actions: []ovs.Action{ovs.Output(b.OVN)},
			})
		}
	}
	return flows, nil
}

func tracked(state ovs.CTState) ovs.Match {
	return ovs.ConnectionTrackingState(ovs.SetState(state), ovs.SetState(ovs.CTStateTracked))
}
