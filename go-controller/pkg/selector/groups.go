package selector

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// namespace returns a namespace, of which nothing but the name is known if it is new.
func (x *Index) namespace(name string) *namespace {
	ns := x.namespaces[name]
	if ns == nil {
		name = strings.Clone(name)
		only := labels.Set{corev1.LabelMetadataName: name}
		ns = &namespace{name: name, pods: map[string]*group{}, labels: &labelSet{labels: only, open: true}}
		x.namespaces[name] = ns
		x.matchers[ofNamespaces].add(ns.labels)
	}
	return ns
}

// forget forgets a namespace if it is not known and has no pods.
func (x *Index) forget(ns *namespace) {
	if !ns.known && len(ns.pods) == 0 {
		x.matchers[ofNamespaces].remove(ns.labels)
		delete(x.namespaces, ns.name)
	}
}

// find returns the label set of pods with these labels, or nil.
func (x *Index) find(hash uint64, l labels.Set) *labelSet {
	s := x.interned[hash]
	for s != nil && !maps.Equal(s.labels, l) {
		s = s.next
	}
	return s
}

// intern returns the label set of pods with these labels, which is made if there is none.
func (x *Index) intern(l labels.Set) *labelSet {
	hash := x.hash(l)
	s := x.find(hash, l)
	if s == nil {
		s = &labelSet{labels: l, next: x.interned[hash]}
		x.interned[hash] = s
		x.matchers[ofPods].add(s)
	}
	return s
}

// group returns the group of a namespace's pods that have these labels, which is made if there is none.
func (x *Index) group(ns *namespace, s *labelSet) *group {
	fewer := ns.labels.groups
	if len(s.groups) < len(fewer) {
		fewer = s.groups
	}
	for _, g := range fewer {
		if g.namespace == ns && g.sets[ofPods] == s {
			return g
		}
	}
	g := &group{namespace: ns, sets: [2]*labelSet{ns.labels, s}}
	for _, s := range g.sets {
		s.groups = append(s.groups, g)
	}
	return g
}

// takeOut takes a pod out of its group, and forgets the group and its labels if it was the last that had them. It
// returns the name as the group had it.
func (x *Index) takeOut(g *group, name string) string {
	at, _ := slices.BinarySearch(g.pods, name)
	name = g.pods[at]
	if g.pods = slices.Delete(g.pods, at, at+1); len(g.pods) > 0 {
		return name
	}
	for _, s := range g.sets {
		s.groups = without(s.groups, g)
	}
	if s := g.sets[ofPods]; len(s.groups) == 0 {
		x.uninterned(s)
	}
	return name
}

func (x *Index) uninterned(s *labelSet) {
	x.matchers[ofPods].remove(s)
	hash := x.hash(s.labels)
	first := x.interned[hash]
	if first == s {
		if s.next == nil {
			delete(x.interned, hash)
		} else {
			x.interned[hash] = s.next
		}
		return
	}
	for first.next != s {
		first = first.next
	}
	first.next = s.next
}
