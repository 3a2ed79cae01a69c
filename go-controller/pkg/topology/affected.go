package topology

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Affected returns the nodes whose rows may be others after a change that the View already shows.
func Affected(in kind.Input, change kube.Change) []row.Owner {
	before, after, ok := kube.As[*corev1.Node](change)
	if !ok {
		return nil
	}
	names := Resubnetted(in.View, in.Config, change)
	if before != nil && after != nil && !slices.Equal(hostAddresses(in.Config, before), hostAddresses(in.Config, after)) {
		names = append(names, after.Name)
	}
	var owners []row.Owner
	for _, name := range names {
		owners = append(owners, Owner(name))
	}
	slices.SortFunc(owners, row.Owner.Compare)
	return slices.Compact(owners)
}

// affectedCluster returns the owner of the cluster's rows if the sets of all nodes' addresses are others after a
// change.
func affectedCluster(in kind.Input, change kube.Change) []row.Owner {
	before, after, ok := kube.As[*corev1.Node](change)
	if !ok {
		return nil
	}
	addresses := func(n *corev1.Node) []netip.Addr {
		if n == nil {
			return nil
		}
		return nodeAddresses(in.Config, n)
	}
	if slices.Equal(addresses(before), addresses(after)) {
		return nil
	}
	return []row.Owner{row.Cluster}
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
