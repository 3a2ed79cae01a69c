package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kube"
)

// Refused says why a node has no pod network. It is for the administrator: Reason is the reason of a Kubernetes
// Event, a word in CamelCase.
type Refused struct{ Reason, Message string }

func (r Refused) Error() string { return r.Message }

// Subnets returns the pod networks of a node, at most one of each family of the cluster, IPv4 first. A node that is
// not there has none, without an error. The error is Refused; the node then has no pod network at all.
func Subnets(v *kube.View, c *config.Parsed, name string) ([]netip.Prefix, error) {
	node := v.Node(name)
	if node == nil {
		return nil, nil
	}
	subnets, err := own(c, node)
	if err != nil {
		return nil, err
	}
	for _, s := range subnets {
		// None, when the node was deleted just now.
		if all := claimants(v, c, s); len(all) > 0 && all[0].Name != name {
			return nil, Refused{"PodCIDRConflict", fmt.Sprintf("spec.podCIDRs %v overlap those of node %s, which is older; "+
				"no pod of this node gets a network. Delete the Node object and let it register again", node.Spec.PodCIDRs, all[0].Name)}
		}
	}
	return subnets, nil
}

// claimants returns the nodes that ask for a network, or a part or more of it, and could have it. The oldest gets it.
func claimants(v *kube.View, c *config.Parsed, network netip.Prefix) []*corev1.Node {
	var all []*corev1.Node
	for _, n := range v.NodesNear(network) {
		theirs, err := own(c, n)
		if err == nil && slices.ContainsFunc(theirs, network.Overlaps) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *corev1.Node) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// own returns the pod networks that a node asks for, if they can be had at all.
func own(c *config.Parsed, node *corev1.Node) ([]netip.Prefix, error) {
	texts := kube.PodCIDRs(node)
	if len(texts) == 0 {
		return nil, Refused{"NoPodCIDR", "spec.podCIDRs is empty, so no pod of this node gets a network. " +
			"Run kube-controller-manager with --allocate-node-cidrs and --cluster-cidr"}
	}
	var subnets []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || !ipam.Nth(p, 3).IsValid() {
			return nil, Refused{"BadPodCIDR", fmt.Sprintf("%q in spec.podCIDRs is not a network with room for pods; "+
				"correct --node-cidr-mask-size of kube-controller-manager", text)}
		}
		within := slices.ContainsFunc(c.Cluster, func(cluster netip.Prefix) bool {
			return cluster.Contains(p.Addr()) && cluster.Bits() <= p.Bits()
		})
		if !within {
			return nil, Refused{"PodCIDROutsideCluster", fmt.Sprintf("%s in spec.podCIDRs is outside of Woven's clusterCIDRs %v; "+
				"make kube-controller-manager's --cluster-cidr and clusterCIDRs of the ConfigMap woven-config the same", text, c.ClusterCIDRs)}
		}
		subnets = append(subnets, p.Masked())
	}
	slices.SortFunc(subnets, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	for i, s := range subnets {
		if i > 0 && s.Addr().Is4() == subnets[i-1].Addr().Is4() {
			return nil, Refused{"BadPodCIDR", fmt.Sprintf("spec.podCIDRs %v has more than one network of a family; "+
				"no pod of this node gets a network. Delete the Node object and let it register again", texts)}
		}
	}
	return subnets, nil
}

// hostAddresses returns the node's InternalIPs of the cluster's families, sorted.
func hostAddresses(c *config.Parsed, node *corev1.Node) []netip.Addr {
	return addressesOfTypes(c, node, corev1.NodeInternalIP)
}

// addressesOfTypes returns the node's addresses of the types and of the cluster's families, sorted.
func addressesOfTypes(c *config.Parsed, node *corev1.Node, types ...corev1.NodeAddressType) []netip.Addr {
	var found []netip.Addr
	for _, a := range node.Status.Addresses {
		ip, ok := kube.Address(a.Address)
		if slices.Contains(types, a.Type) && ok && inUse(c, ip) {
			found = append(found, ip)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

// inUse tells whether the cluster has pods of the address's family. A family without pods has no rows.
func inUse(c *config.Parsed, a netip.Addr) bool {
	return slices.ContainsFunc(c.Cluster, func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() })
}

// used returns the networks whose family has pods.
func used(c *config.Parsed, all []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(all), func(p netip.Prefix) bool { return !inUse(c, p.Addr()) })
}

// JoinNetworks returns the networks that join addresses come from.
func JoinNetworks(c *config.Parsed) []netip.Prefix { return used(c, c.Join) }
