// Package ipam is the plan of addresses: what the first addresses of a network are for, and which pod or node has
// which of the others. It has no input or output; the choice it makes is persisted in the Northbound row it
// ends up in and, for a pod, in status.podIPs, and is learned from there again after a restart.
package ipam

import (
	"net"
	"net/netip"
)

// Router returns the address of the router in a network: its first after the network's own.
func Router(subnet netip.Prefix) netip.Addr { return Nth(subnet, 1) }

// Host returns the address that the node itself has in its pod network, that of the interface ovn0.
func Host(subnet netip.Prefix) netip.Addr { return Nth(subnet, 2) }

// firstFree is the first address of a network that may be allocated; those before are the network's own (IPv6:
// the subnet-router anycast address of RFC 4291), the router's and the host's.
const firstFree = 3

// Nth returns the n-th address of a network, the network's own address being the 0th. It is not valid if the
// network has none.
func Nth(subnet netip.Prefix, n uint32) netip.Addr {
	bytes := subnet.Masked().Addr().AsSlice()
	for i := len(bytes) - 1; i >= 0 && n > 0; i-- {
		n += uint32(bytes[i])
		bytes[i] = byte(n)
		n >>= 8
	}
	a, _ := netip.AddrFromSlice(bytes)
	if !subnet.Contains(a) {
		return netip.Addr{}
	}
	return a
}

// MAC returns the Ethernet address of a port with the given IP addresses: 0a:58 and the bytes of the IPv4 address or,
// without one, the last four bytes of the first IPv6 address. Within a network those are unique, as Allocator goes
// through fewer than 2^32 addresses of one, and a logical switch is no wider than that. nil without an address.
func MAC(addresses ...netip.Addr) net.HardwareAddr {
	var chosen netip.Addr
	for _, a := range addresses {
		if a.Is4() {
			chosen = a
			break
		}
		if !chosen.IsValid() {
			chosen = a
		}
	}
	if !chosen.IsValid() {
		return nil
	}
	bytes := chosen.AsSlice()
	return append(net.HardwareAddr{0x0a, 0x58}, bytes[len(bytes)-4:]...)
}

// usable returns the first and the last address of a network that may be allocated; not valid if there is none.
func usable(subnet netip.Prefix) (first, last netip.Addr) {
	// 2^32 - 2 leaves MAC's four bytes unique in the widest network.
	const most = 1<<32 - 2
	first = Nth(subnet, firstFree)
	host := subnet.Addr().BitLen() - subnet.Bits()
	switch {
	case host >= 32:
		last = Nth(subnet, most)
	case subnet.Addr().Is4() && host > 0:
		last = Nth(subnet, 1<<host-2) // The last is the broadcast address.
	default:
		last = Nth(subnet, 1<<host-1)
	}
	if !first.IsValid() || last.Less(first) {
		return netip.Addr{}, netip.Addr{}
	}
	return first, last
}
