package topology

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Affected returns the owners whose rows may be others after a change that the View already shows.
func Affected(v *kube.View, c *config.Parsed, change kube.Change) []row.Owner {
	before, after, ok := kube.As[*corev1.Node](change)
	if !ok {
		return nil
	}
	names := Resubnetted(v, c, change)
	if before != nil && after != nil && !slices.Equal(hostAddresses(c, before), hostAddresses(c, after)) {
		names = append(names, after.Name)
	}
	var owners []row.Owner
	for _, name := range names {
		owners = append(owners, Owner(name))
	}
	addresses := func(n *corev1.Node) []netip.Addr {
		if n == nil {
			return nil
		}
		return nodeAddresses(c, n)
	}
	if !slices.Equal(addresses(before), addresses(after)) {
		owners = append(owners, ClusterOwner) // The sets of all nodes' addresses are the cluster's.
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// Resubnetted returns the nodes whose Subnets may be others after a change: the node itself, and those that claim
// what it claims or claimed, for one of them has got or lost it.
func Resubnetted(v *kube.View, c *config.Parsed, change kube.Change) []string {
	before, after, ok := kube.As[*corev1.Node](change)
	if !ok || before != nil && after != nil && slices.Equal(kube.PodCIDRs(before), kube.PodCIDRs(after)) &&
		before.CreationTimestamp.Equal(&after.CreationTimestamp) {
		return nil
	}
	names := map[string]bool{}
	var claimed []netip.Prefix
	for _, n := range []*corev1.Node{before, after} {
		if n != nil {
			names[n.Name] = true
			subnets, _ := own(c, n)
			claimed = append(claimed, subnets...)
		}
	}
	for _, s := range claimed {
		for _, other := range claimants(v, c, s) {
			names[other.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
