package selector

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Selector returns the selector in use that has an ID, or nil if nothing uses it.
func (x *Index) Selector(id ID) *Selector {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.entries[id]; e != nil {
		return e.Selector
	}
	return nil
}

// IDs returns the IDs of all selectors in use, sorted.
func (x *Index) IDs() []ID {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(maps.Keys(x.entries))
}

// Selecting returns the selectors in use that select a pod with these labels in a namespace, sorted. The pod need not
// be known: whoever has read a pod gets the answer for the labels that were read, and not for those of another
// moment.
func (x *Index) Selecting(namespace string, labels map[string]string) []ID {
	x.mu.Lock()
	defer x.mu.Unlock()
	ns, s := x.namespace(namespace), x.intern(labels)
	ids := x.cross(s.terms, ns.labels)
	if len(s.groups) == 0 {
		x.uninterned(s)
	}
	x.forget(ns)
	return ids
}

// Pods returns the pods that a selector selects, sorted; none if nothing uses it.
func (x *Index) Pods(id ID) []types.NamespacedName {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.entries[id]
	if e == nil {
		return nil
	}
	var pods []types.NamespacedName
	side := fewerGroups(e.terms)
	for s := range e.terms[side].sets {
		for _, g := range s.groups {
			if _, fits := e.terms[1-side].sets[g.sets[1-side]]; fits {
				for _, name := range g.pods {
					pods = append(pods, types.NamespacedName{Namespace: g.namespace.name, Name: name})
				}
			}
		}
	}
	slices.SortFunc(pods, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

// fewerGroups returns the side whose term leaves fewer groups to look at. It looks at no more label sets than it
// must: at those of the side with fewer of them, and at the others until they have more groups.
func fewerGroups(terms [2]*term) (side int) {
	if len(terms[ofPods].sets) < len(terms[ofNamespaces].sets) {
		side = ofPods
	}
	here, there := 0, 0
	for s := range terms[side].sets {
		here += len(s.groups)
	}
	for s := range terms[1-side].sets {
		if there += len(s.groups); there >= here {
			return side
		}
	}
	return 1 - side
}

// cross returns the selectors that have one of the terms at their side, and at the other a term that fits the label
// set; sorted. It looks at a term's selectors or at the label set's terms, whichever are fewer.
func (x *Index) cross(terms []*term, other *labelSet) []ID {
	x.scratch = x.scratch[:0]
	for _, t := range terms {
		x.crossOne(t, other)
	}
	return x.answer()
}

// crossOthers returns the selectors that select the pods of one group and not those of another of the same namespace,
// sorted.
func (x *Index) crossOthers(g, than *group) []ID {
	x.scratch = x.scratch[:0]
	for _, t := range g.sets[ofPods].terms {
		if _, both := t.sets[than.sets[ofPods]]; !both {
			x.crossOne(t, g.sets[ofNamespaces])
		}
	}
	return x.answer()
}

func (x *Index) crossOne(t *term, other *labelSet) {
	if len(t.selectors) <= len(other.terms) {
		for _, e := range t.selectors {
			if _, fits := e.terms[1-t.side].sets[other]; fits {
				x.scratch = append(x.scratch, e.id)
			}
		}
		return
	}
	for _, o := range other.terms {
		var pair [2]*term
		pair[t.side], pair[o.side] = t, o
		if e := x.pairs[pair]; e != nil {
			x.scratch = append(x.scratch, e.id)
		}
	}
}

func (x *Index) answer() []ID {
	slices.Sort(x.scratch)
	return append([]ID(nil), x.scratch...)
}
