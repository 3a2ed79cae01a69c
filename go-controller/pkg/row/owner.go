package row

import (
	"cmp"
	"strings"
)

// Owner is what a row is made from: an object of the cluster, or the cluster itself. It is the unit of work: an owner
// is translated, compared, retried and pruned as a whole. It is comparable. Its texts are those of the object it is made
// from, so that none is made for it.
type Owner struct {
	// Kind is the name of a kind, such as "pod" (package kind).
	Kind string
	// Namespace is empty for an object that is in none, such as a node.
	Namespace string
	// Name is empty for what exists once.
	Name string
}

// Cluster is the owner of what exists once. nbsync also gives it the leftovers of tables whose rows bear no owner.
var Cluster = Owner{Kind: "cluster"}

// String returns the owner as logs and OwnerKey have it: "pod/default/web-0", "node/worker-1", "cluster".
func (o Owner) String() string {
	switch {
	case o.Namespace != "":
		return o.Kind + "/" + o.Namespace + "/" + o.Name
	case o.Name != "":
		return o.Kind + "/" + o.Name
	default:
		return o.Kind
	}
}

// ParseOwner is the reverse of String, for the mark in a row. It takes any text, for the mark may have been changed by
// hand: an owner of a kind that does not exist, or without a name, has no rows.
func ParseOwner(text string) Owner {
	kind, rest, _ := strings.Cut(text, "/")
	namespace, name, ok := strings.Cut(rest, "/")
	if !ok {
		namespace, name = "", rest
	}
	return Owner{Kind: kind, Namespace: namespace, Name: name}
}

// Compare orders owners by kind, then by namespace, then by name.
func (o Owner) Compare(other Owner) int {
	return cmp.Or(cmp.Compare(o.Kind, other.Kind), cmp.Compare(o.Namespace, other.Namespace),
		cmp.Compare(o.Name, other.Name))
}
