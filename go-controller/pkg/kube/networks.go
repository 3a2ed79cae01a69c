package kube

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// byNetwork is the index of nodes by the networks they claim, in units of the usual size of a node's network: an IPv4
// /24 or an IPv6 /64. A larger network has as many keys as it holds units, a smaller one has its unit's.
const byNetwork = "network"

// wide is the key of a network of so many units that a key for each would be a waste.
const (
	wide     = "wide"
	mostKeys = 256
)

// NodesNear returns the nodes whose spec.podCIDRs may overlap a network, in no order, some perhaps twice: all that do,
// and few others. Asking all nodes for every pod is what it saves.
func (v *View) NodesNear(network netip.Prefix) []*corev1.Node {
	keys := networkKeys(network)
	if keys[0] == wide {
		return v.Nodes()
	}
	var near []*corev1.Node
	for _, key := range append(keys, wide) {
		for _, o := range unsorted[*corev1.Node](v, byNetwork, key) {
			near = append(near, o.(*corev1.Node))
		}
	}
	return near
}

// PodCIDRs returns the networks that a node claims, as text. spec.podCIDR is the form before dual-stack.
func PodCIDRs(n *corev1.Node) []string {
	if len(n.Spec.PodCIDRs) == 0 && n.Spec.PodCIDR != "" {
		return []string{n.Spec.PodCIDR}
	}
	return n.Spec.PodCIDRs
}

var nodeIndexers = cache.Indexers{
	byNetwork: func(o any) ([]string, error) {
		var keys []string
		if n, ok := o.(*corev1.Node); ok {
			for _, text := range PodCIDRs(n) {
				if p, err := netip.ParsePrefix(text); err == nil {
					keys = append(keys, networkKeys(p)...)
				}
			}
		}
		return keys, nil
	},
}

func networkKeys(network netip.Prefix) []string {
	unit := 64
	if network.Addr().Is4() {
		unit = 24
	}
	first := netip.PrefixFrom(network.Addr(), min(unit, network.Bits())).Masked().Addr()
	if unit-network.Bits() > 8 {
		return []string{wide}
	}
	var keys []string
	for a := first; network.Contains(a) || a == first; {
		keys = append(keys, a.String())
		bytes := a.AsSlice()
		for i := unit/8 - 1; i >= 0; i-- {
			if bytes[i]++; bytes[i] != 0 {
				break
			}
		}
		a, _ = netip.AddrFromSlice(bytes)
		if len(keys) == mostKeys {
			break
		}
	}
	return keys
}
