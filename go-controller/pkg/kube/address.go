package kube

import "net/netip"

// Address reads an IP address that an object tells, such as an endpoint's: one host's, the same wherever it is read. An
// IPv4 address in IPv6 form is the IPv4 one. Text that is none is an error of whoever wrote the object, and no
// reason to do nothing about the rest of it.
func Address(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, false
	}
	a = a.Unmap()
	return a, !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
}
