package controller

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/service"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// kinds are all kinds of objects that Woven makes rows from. A new kind is one entry here. CONTRIBUTING.md shows the
// rest of what it needs.
var kinds = registry{
	{Kind: topology.ClusterKind},
	{Kind: topology.NodeKind, prepare: (*allocation).prepareNode, released: (*allocation).releaseNode},
	{Kind: pod.Kind, prepare: (*allocation).preparePod, released: (*allocation).releasePod},
	{Kind: service.Kind},
}

// entry is a kind, with what a translator must not do: what has effects.
type entry struct {
	kind.Kind
	// prepare is called before a translation. It allocates what the translation looks up, and reports what is wrong with
	// the object. After an error the owner is prepared again until there is none. nil means that there is nothing to do.
	prepare func(*allocation, row.Owner) error
	// released is called when the database has exactly the rows that the owner should have: what the owner had
	// before can be another's from then on. nil means that there is nothing to do.
	released func(*allocation, row.Owner)
}

// registry is a list of kinds.
type registry []entry

// of returns the kind of an owner, nil for an owner of no kind here. Such an owner is found in the database, where
// another version of Woven has left rows of it.
func (r registry) of(owner row.Owner) *entry {
	for i := range r {
		if r[i].Name == owner.Kind {
			return &r[i]
		}
	}
	return nil
}

// owners returns every owner that may have rows.
func (r registry) owners(in kind.Input) []row.Owner {
	var all []row.Owner
	for _, e := range r {
		all = append(all, e.Owners(in)...)
	}
	return all
}

// affected returns the owners whose rows may be others after a change that the View already shows.
func (r registry) affected(in kind.Input, change kube.Change) []row.Owner {
	var all []row.Owner
	for _, e := range r {
		all = append(all, e.Affected(in, change)...)
	}
	return slices.Compact(all)
}

// priority is the engine's Priority.
func (r registry) priority(owner row.Owner) int {
	if e := r.of(owner); e != nil {
		return int(e.Priority)
	}
	return int(kind.Rest)
}

// object returns the Kubernetes object that an owner is made from, as Events name it; false for an owner that is made
// from none. The UID is empty without a View, or when the object is gone.
func (r registry) object(in kind.Input, owner row.Owner) (corev1.ObjectReference, bool) {
	e := r.of(owner)
	if e == nil || e.Object.Empty() {
		return corev1.ObjectReference{}, false
	}
	reference := corev1.ObjectReference{Namespace: owner.Namespace, Name: owner.Name}
	reference.APIVersion, reference.Kind = e.Object.ToAPIVersionAndKind()
	if in.View != nil {
		reference.UID = e.UID(in, owner)
	}
	return reference, true
}
