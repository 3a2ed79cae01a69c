package southbound

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
)

// HostPort is what the Southbound database says of the node's own port, ovn0.
type HostPort struct {
	MAC net.HardwareAddr
	// Addresses are ovn0's, with the prefix lengths of the node's pod networks.
	Addresses []netip.Prefix
	// Subnets are the node's pod networks, IPv4 first.
	Subnets []netip.Prefix
}

// PodPort is what it says of a pod's port.
type PodPort struct {
	MAC net.HardwareAddr
	// Addresses have the prefix lengths of the node's pod networks; Gateways are the routers in them, in the same order.
	Addresses []netip.Prefix
	Gateways  []netip.Addr
}

// HostPortOf reads the Port_Binding of the node's own port.
func HostPortOf(b *sb.PortBinding) (HostPort, error) {
	var h HostPort
	for _, text := range strings.Fields(b.ExternalIDs[nodelink.SubnetsKey]) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return h, fmt.Errorf("port binding %s: external_ids:%s: %w", b.LogicalPort, nodelink.SubnetsKey, err)
		}
		h.Subnets = append(h.Subnets, p.Masked())
	}
	if len(h.Subnets) == 0 {
		return h, fmt.Errorf("port binding %s: external_ids:%s is empty", b.LogicalPort, nodelink.SubnetsKey)
	}
	var err error
	h.MAC, h.Addresses, err = addressesOf(b, h.Subnets)
	return h, err
}

// PodPortOf reads the Port_Binding of a pod in the node's pod networks.
func PodPortOf(b *sb.PortBinding, subnets []netip.Prefix) (PodPort, error) {
	var p PodPort
	var err error
	p.MAC, p.Addresses, err = addressesOf(b, subnets)
	for _, a := range p.Addresses {
		p.Gateways = append(p.Gateways, ipam.Router(a))
	}
	return p, err
}

// addressesOf reads the mac column, "<MAC> <IP> <IP>", and gives each address its network's prefix length.
func addressesOf(b *sb.PortBinding, subnets []netip.Prefix) (net.HardwareAddr, []netip.Prefix, error) {
	if len(b.MAC) == 0 {
		return nil, nil, fmt.Errorf("port binding %s has no address", b.LogicalPort)
	}
	mac, ips, err := nodelink.ParsePortAddresses(b.MAC[0])
	if err != nil {
		return nil, nil, fmt.Errorf("port binding %s: %w", b.LogicalPort, err)
	}
	var addresses []netip.Prefix
	for _, a := range ips {
		i := slices.IndexFunc(subnets, func(s netip.Prefix) bool { return s.Contains(a) })
		if i < 0 {
			return nil, nil, fmt.Errorf("port binding %s: %s is in no pod network of this node %v", b.LogicalPort, a, subnets)
		}
		addresses = append(addresses, netip.PrefixFrom(a, subnets[i].Bits()))
	}
	return mac, addresses, nil
}
