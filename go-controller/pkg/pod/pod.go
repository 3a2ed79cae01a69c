// Package pod translates Pods into logical switch ports and what they are members of. It is pure: values in, sorted
// rows out.
package pod

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// Kind is the kind of pods.
var Kind = kind.Kind{
	Name: kindName, Priority: kind.Port, Object: corev1.SchemeGroupVersion.WithKind("Pod"), UID: objectUID,
	Owners: owners, Affected: Affected, Translate: Translate,
}

const kindName = "pod"

// Owner returns the owner of a pod's rows.
func Owner(namespace, name string) row.Owner {
	return row.Owner{Kind: kindName, Namespace: namespace, Name: name}
}

func owners(in kind.Input) []row.Owner {
	var all []row.Owner
	for _, p := range in.View.Pods() {
		if kube.OnNetwork(p) {
			all = append(all, Owner(p.Namespace, p.Name))
		}
	}
	return all
}

// objectUID returns metadata.uid, which is not UID for the mirror of a static pod.
func objectUID(in kind.Input, owner row.Owner) types.UID {
	if p := in.View.Pod(owner.Namespace, owner.Name); p != nil {
		return p.UID
	}
	return ""
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

// Translate returns the rows of a pod. One without addresses has none: they come when an address is released, so there
// is nothing to try again.
func Translate(in kind.Input, owner row.Owner) ([]row.Row, error) {
	pod := in.View.Pod(owner.Namespace, owner.Name)
	if !kube.OnNetwork(pod) {
		return nil, nil
	}
	addresses := in.PodAddresses(pod.Namespace, pod.Name, UID(pod))
	if len(addresses) == 0 {
		return nil, nil
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
	}}, nil
}

// Affected returns the pods whose rows may be others after a change that the View already shows.
func Affected(in kind.Input, change kube.Change) []row.Owner {
	if before, after, ok := kube.As[*kube.Pod](change); ok {
		if before != nil && after != nil && same(before, after) {
			return nil
		}
		one := change.Objects()[0]
		return []row.Owner{Owner(one.GetNamespace(), one.GetName())}
	}
	var owners []row.Owner
	for _, node := range topology.Resubnetted(in.View, in.Config, change) {
		for _, pod := range in.View.PodsOn(node) {
			if kube.OnNetwork(pod) {
				owners = append(owners, Owner(pod.Namespace, pod.Name))
			}
		}
	}
	slices.SortFunc(owners, row.Owner.Compare)
	return owners
}

// same tells whether two states of a pod translate alike. A pod's status changes a dozen times in its life, and
// almost none of that is of interest here.
func same(a, b *kube.Pod) bool {
	return kube.OnNetwork(a) == kube.OnNetwork(b) && a.Node == b.Node && UID(a) == UID(b)
}
