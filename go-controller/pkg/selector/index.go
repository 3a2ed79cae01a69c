package selector

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

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
