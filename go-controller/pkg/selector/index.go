package selector

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Index knows the selectors that are in use, the pods and the namespaces. It is told of every change of them and
// answers at any moment which selectors select a pod and which pods a selector selects. Its methods may be called
// from any goroutine. What it is given it keeps and does not change; what it returns is the caller's.
type Index struct {
	mu sync.Mutex
	// matchers are for the labels of namespaces and for those of pods.
	matchers [2]matcher
	// namespaces maps the name of each namespace that is known or has pods to it.
	namespaces map[string]*namespace
	// interned maps the hash of labels to the label sets of pods that have it.
	interned map[uint64]*labelSet
	// entries maps the ID of each selector in use to it.
	entries map[ID]*entry
	// pairs maps the two terms of a selector to it.
	pairs map[[2]*term]*entry
	// uses maps an owner to the selectors it uses.
	uses map[row.Owner][]*entry
	// hash is the hash of labels.
	hash func(labels.Set) uint64
	// scratch is memory for answers while they are made.
	scratch []ID
}

// entry is a selector in use.
type entry struct {
	*Selector
	// terms are the selector's sides.
	terms [2]*term
	// users is how many owners use it.
	users int
}

// namespace is a namespace that is known or has pods.
type namespace struct {
	name   string
	known  bool
	labels *labelSet
	// pods maps the name of each pod to its group.
	pods map[string]*group
}

// group is the pods of one namespace that have the same labels.
type group struct {
	namespace *namespace
	// sets are the labels of the namespace and those of the pods.
	sets [2]*labelSet
	// pods are their names, sorted.
	pods []string
}

// NewIndex returns an Index without selectors, namespaces and pods.
func NewIndex() *Index {
	seed := maphash.MakeSeed()
	return &Index{
		matchers:   [2]matcher{newMatcher(ofNamespaces), newMatcher(ofPods)},
		namespaces: map[string]*namespace{}, interned: map[uint64]*labelSet{},
		entries: map[ID]*entry{}, pairs: map[[2]*term]*entry{}, uses: map[row.Owner][]*entry{},
		hash: func(l labels.Set) uint64 {
			sum := uint64(0)
			for key, value := range l {
				sum += maphash.Comparable(seed, label{key, value}) // a sum, for a map has no order
			}
			return sum
		},
	}
}

// Declare says which selectors an owner uses, in place of those it has used before; none, when the owner is gone. A
// selector is in use as long as one owner uses it. It returns the IDs of selectors that nothing used before and of
// those that nothing uses any more, sorted. With an error, nothing changes.
func (x *Index) Declare(user row.Owner, selectors ...*Selector) (added, removed []ID, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, s := range selectors {
		other := s
		if e := x.entries[s.id]; e != nil {
			other = e.Selector
		} else if at := slices.IndexFunc(selectors[:i], func(o *Selector) bool { return o.id == s.id }); at >= 0 {
			other = selectors[at]
		}
		if other.text != s.text {
			return nil, nil, fmt.Errorf("use the selector %q: another one in use, %q, has the same hash %s; "+
				"add any requirement to one of them", s.text, other.text, s.id)
		}
	}
	before := x.uses[user]
	var after []*entry
	for _, s := range selectors {
		e := x.entries[s.id]
		if e == nil {
			e = x.enter(s)
			added = append(added, s.id)
		}
		if !slices.Contains(after, e) {
			after = append(after, e)
			e.users++
		}
	}
	for _, e := range before {
		if e.users--; e.users == 0 {
			x.leave(e)
			removed = append(removed, e.id)
		}
	}
	set(x.uses, user, after)
	slices.Sort(added)
	slices.Sort(removed)
	return added, removed, nil
}

func (x *Index) enter(s *Selector) *entry {
	e := &entry{Selector: s}
	for side := range e.terms {
		t := x.matchers[side].term(s.sides[side])
		t.selectors = append(t.selectors, e)
		e.terms[side] = t
	}
	x.entries[s.id], x.pairs[e.terms] = e, e
	return e
}

func (x *Index) leave(e *entry) {
	delete(x.entries, e.id)
	delete(x.pairs, e.terms)
	for side, t := range e.terms {
		if t.selectors = without(t.selectors, e); len(t.selectors) == 0 {
			x.matchers[side].drop(t)
		}
	}
}

// PodChange says for a pod which selectors select it now and did not before, and which did and do not now. IDs are
// sorted.
type PodChange struct{ Added, Removed []ID }

// SetPod says that a pod exists and has these labels. Which pods count is the caller's decision: one that uses its
// node's network or has finished is no pod for a policy. A pod may come before its namespace: until that is known,
// the pod is selected by what selects it whatever labels the namespace has.
func (x *Index) SetPod(namespace, name string, labels map[string]string) PodChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.setPod(namespace, name, labels)
}

func (x *Index) setPod(namespace, name string, labels map[string]string) PodChange {
	ns := x.namespace(namespace)
	before := ns.pods[name]
	if before != nil && maps.Equal(before.sets[ofPods].labels, labels) {
		return PodChange{}
	}
	after := x.group(ns, x.intern(labels))
	var change PodChange
	if before == nil {
		change.Added = x.cross(after.sets[ofPods].terms, ns.labels)
		name = strings.Clone(name) // It would keep the memory of the whole object.
	} else {
		change.Added = x.crossOthers(after, before)
		change.Removed = x.crossOthers(before, after)
		name = x.takeOut(before, name)
	}
	at, _ := slices.BinarySearch(after.pods, name)
	after.pods = slices.Insert(after.pods, at, name)
	ns.pods[name] = after
	return change
}

// DeletePod says that a pod does not exist.
func (x *Index) DeletePod(namespace, name string) PodChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.deletePod(namespace, name)
}

func (x *Index) deletePod(namespace, name string) PodChange {
	ns := x.namespaces[namespace]
	if ns == nil || ns.pods[name] == nil {
		return PodChange{}
	}
	g := ns.pods[name]
	change := PodChange{Removed: x.cross(g.sets[ofPods].terms, ns.labels)}
	delete(ns.pods, name)
	x.takeOut(g, name)
	x.forget(ns)
	return change
}

// GroupChange says for some pods of one namespace what PodChange says for one. Names and IDs are sorted.
type GroupChange struct {
	Namespace string
	Pods      []string
	PodChange
}

// SetNamespace says that a namespace exists and has these labels. It returns what changes for its pods, each pod once
// at most.
func (x *Index) SetNamespace(name string, labels map[string]string) []GroupChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.setNamespace(name, labels)
}

func (x *Index) setNamespace(name string, labels map[string]string) []GroupChange {
	ns := x.namespace(name)
	if labels[corev1.LabelMetadataName] != name {
		labels = maps.Clone(labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = name
	}
	if ns.known && maps.Equal(ns.labels.labels, labels) {
		return nil
	}
	ns.known = true
	return x.relabel(ns, labels)
}

// DeleteNamespace says that a namespace does not exist, or that nothing is known of it but its name.
func (x *Index) DeleteNamespace(name string) []GroupChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.deleteNamespace(name)
}

func (x *Index) deleteNamespace(name string) []GroupChange {
	ns := x.namespaces[name]
	if ns == nil || !ns.known {
		return nil
	}
	ns.known = false
	changes := x.relabel(ns, labels.Set{corev1.LabelMetadataName: name})
	x.forget(ns)
	return changes
}

func (x *Index) relabel(ns *namespace, to labels.Set) []GroupChange {
	gained, lost := x.matchers[ofNamespaces].relabel(ns.labels, to, !ns.known)
	var changes []GroupChange
	for _, g := range ns.labels.groups {
		change := PodChange{Added: x.cross(gained, g.sets[ofPods]), Removed: x.cross(lost, g.sets[ofPods])}
		if len(change.Added)+len(change.Removed) > 0 {
			changes = append(changes, GroupChange{ns.name, slices.Clone(g.pods), change})
		}
	}
	slices.SortFunc(changes, func(a, b GroupChange) int { return strings.Compare(a.Pods[0], b.Pods[0]) })
	return changes
}

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
