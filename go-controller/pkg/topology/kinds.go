package topology

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// ClusterKind is the kind of row.Cluster, which owns the rows that belong to no one node.
var ClusterKind = kind.Kind{
	Name: row.Cluster.Kind, Priority: kind.Ground,
	Owners:   func(kind.Input) []row.Owner { return []row.Owner{row.Cluster} },
	Affected: affectedCluster, Translate: Cluster,
}

// NodeKind is the kind of nodes.
var NodeKind = kind.Kind{
	Name: nodeKind, Priority: kind.Ground, Object: corev1.SchemeGroupVersion.WithKind("Node"), UID: uid,
	Owners: owners, Affected: Affected, Translate: Node,
}

const nodeKind = "node"

// Owner returns the owner of a node's rows.
func Owner(node string) row.Owner { return row.Owner{Kind: nodeKind, Name: node} }

func owners(in kind.Input) []row.Owner {
	var all []row.Owner
	for _, n := range in.View.Nodes() {
		all = append(all, Owner(n.Name))
	}
	return all
}

// uid returns a node's name: kubelet and others give the Events of a Node that as UID, and kubectl looks for it.
func uid(in kind.Input, owner row.Owner) types.UID {
	if in.View.Node(owner.Name) == nil {
		return ""
	}
	return types.UID(owner.Name)
}
