package service

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/woven-network/woven/go-controller/pkg/kube"
)

// backends returns where connections to a port of a Service go, in one IP family: the addresses with port numbers of
// its endpoints, sorted, each once.
//
// Ready endpoints are used. When there is none, those that terminate but still serve are (KEP-1669): while the last
// pods of a Service shut down, and no new one is ready yet, they finish what comes instead of it being refused.
func backends(slicesOf []*discoveryv1.EndpointSlice, port corev1.ServicePort, is4 bool) []netip.AddrPort {
	var ready, terminating []netip.AddrPort
	for _, slice := range slicesOf {
		if is4 != (slice.AddressType == discoveryv1.AddressTypeIPv4) || slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		number, ok := numberOf(slice, port)
		if !ok {
			continue
		}
		for _, e := range slice.Endpoints {
			address, ok := addressOf(e, is4)
			if !ok {
				continue
			}
			switch {
			// nil means "unknown", to be taken as ready (EndpointConditions).
			case e.Conditions.Ready == nil || *e.Conditions.Ready:
				ready = append(ready, netip.AddrPortFrom(address, number))
			case isTrue(e.Conditions.Serving) && isTrue(e.Conditions.Terminating):
				terminating = append(terminating, netip.AddrPortFrom(address, number))
			}
		}
	}
	if len(ready) == 0 {
		ready = terminating
	}
	// While an endpoint moves from one slice to another both may have it.
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}

// numberOf returns the number that the slice's pods have the Service's port at. A slice's ports are named as the
// Service's; a target port given by name is resolved by whoever writes the slice, so pods that differ in it are in
// different slices.
func numberOf(slice *discoveryv1.EndpointSlice, port corev1.ServicePort) (uint16, bool) {
	for _, p := range slice.Ports {
		name, protocol := "", corev1.ProtocolTCP
		if p.Name != nil {
			name = *p.Name
		}
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		if name == port.Name && protocol == protocolOf(port) && p.Port != nil && *p.Port > 0 && *p.Port < 1<<16 {
			return uint16(*p.Port), true
		}
	}
	return 0, false
}

// addressOf returns the endpoint's address. Only the first of its addresses has a meaning (Endpoint.Addresses).
func addressOf(e discoveryv1.Endpoint, is4 bool) (netip.Addr, bool) {
	if len(e.Addresses) == 0 {
		return netip.Addr{}, false
	}
	a, ok := kube.Address(e.Addresses[0])
	return a, ok && a.Is4() == is4
}

func isTrue(b *bool) bool { return b != nil && *b }
