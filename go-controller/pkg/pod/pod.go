// Package pod translates Pods into logical switch ports and what they are members of. It is pure: values in, sorted
// rows out.
package pod

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// Owner returns the owner of a pod's rows.
func Owner(namespace, name string) row.Owner { return row.Owner("pod/" + namespace + "/" + name) }

// NamespacedName returns the pod that an owner is for, false for the owner of something else.
func NamespacedName(owner row.Owner) (types.NamespacedName, bool) {
	rest, ok := strings.CutPrefix(string(owner), "pod/")
	namespace, name, _ := strings.Cut(rest, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}, ok
}

// UID returns the UID under which kubelet runs the pod and that it gives to CNI: for the mirror of a static pod its
// annotation, not metadata.uid, which the API server chose.
func UID(pod *kube.Pod) string {
	if pod.ConfigHash != "" {
		return pod.ConfigHash
	}
	return string(pod.UID)
}

// Subnets returns the networks that a pod's addresses come from: those of its node. It returns none, without an error, for
// a pod that has no port. The error is that of topology.Subnets.
func Subnets(v *kube.View, c *config.Parsed, pod *kube.Pod) ([]netip.Prefix, error) {
	if !kube.OnNetwork(pod) {
		return nil, nil
	}
	return topology.Subnets(v, c, pod.Node)
}

// Translate returns the rows of a pod that has the given addresses, IPv4 first; no addresses, no rows. The addresses
// lie in Subnets.
func Translate(pod *kube.Pod, addresses []netip.Addr) []row.Row {
	if !kube.OnNetwork(pod) || len(addresses) == 0 {
		return nil
	}
	text := nodelink.PortAddresses(addresses)
	port := &nb.LogicalSwitchPort{
		Name:      nodelink.PodPort(pod.Namespace, pod.Name),
		Addresses: []string{text},
		// A pod sends with its own addresses only; OVN adds the link-local one that follows from the MAC.
		PortSecurity: []string{text},
		Options: map[string]string{
			// The one chassis that may claim the port. Without it, an old Interface row elsewhere could.
			nodelink.RequestedChassis: pod.Node,
			// A pod that is deleted and made again under its name never gets the old one's interface.
			nodelink.InterfaceVersion: UID(pod),
		},
		// By its namespace an administrator finds a pod's port. The pod's name is in the port's, and its UID in an option:
		// what stands in every row twice makes a tenth of the database.
		ExternalIDs: map[string]string{topology.NamespaceKey: pod.Namespace},
	}
	return []row.Row{{
		ID:    row.ID{Table: nb.LogicalSwitchPortTable, Name: port.Name},
		Model: port,
		In:    []row.Membership{{Set: row.ID{Table: nb.LogicalSwitchTable, Name: topology.Switch(pod.Node)}, Column: "ports"}},
	}}
}

// Affected returns the owners whose rows may be others after a change that the View already shows.
func Affected(v *kube.View, c *config.Parsed, change kube.Change) []row.Owner {
	if before, after, ok := kube.As[*kube.Pod](change); ok {
		if before != nil && after != nil && same(before, after) {
			return nil
		}
		one := change.Objects()[0]
		return []row.Owner{Owner(one.GetNamespace(), one.GetName())}
	}
	var owners []row.Owner
	for _, node := range topology.Resubnetted(v, c, change) {
		for _, pod := range v.PodsOn(node) {
			if kube.OnNetwork(pod) {
				owners = append(owners, Owner(pod.Namespace, pod.Name))
			}
		}
	}
	slices.Sort(owners)
	return owners
}

// same tells whether two states of a pod translate alike. A pod's status changes a dozen times in its life, and
// almost none of that is of interest here.
func same(a, b *kube.Pod) bool {
	return kube.OnNetwork(a) == kube.OnNetwork(b) && a.Node == b.Node && UID(a) == UID(b)
}
