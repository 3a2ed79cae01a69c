package selector

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// labelSet is a set of labels that one or more pods have, or one namespace.
type labelSet struct {
	labels labels.Set
	// open says that there may be other labels, which are not known.
	open bool
	// terms are the terms that the labels fit, in no order.
	terms []*term
	// groups are the groups of pods that have these labels, or are in the namespace, in no order.
	groups []*group
	// next is another label set of pods with the same hash.
	next *labelSet
}

// term is a label selector that one or more selectors have at one side.
type term struct {
	labelSelector
	side int
	// sets are the label sets that fit.
	sets map[*labelSet]struct{}
	// selectors are the selectors that have the term, in no order.
	selectors []*entry
	// at is the requirement under which the term is found; nil if there is none that labels must have something for.
	at *labels.Requirement
}

type label struct{ key, value string }

// matcher knows which terms fit which label sets, of one side. Both are found by the labels they have in common, so
// what is new is compared with few others.
type matcher struct {
	side int
	// terms maps the canonical form of a term to it.
	terms map[string]*term
	// byLabel maps a label to the terms that are found under it: they fit only labels with that one, or another under
	// which they are found too.
	byLabel map[label][]*term
	// byKey maps the key of a label to the terms that are found under it: they fit only labels with some value of it.
	byKey map[string][]*term
	// loose are the terms that need no label: they ask for none, or only that one is absent or has not some value.
	loose []*term
	// sets maps the key and value of a label to the label sets that have it.
	sets map[string]map[string]map[*labelSet]struct{}
	all  map[*labelSet]struct{}
	// evaluations counts how often a term was compared with labels, for tests.
	evaluations int
}

func newMatcher(side int) matcher {
	return matcher{
		side: side, terms: map[string]*term{}, byLabel: map[label][]*term{}, byKey: map[string][]*term{},
		sets: map[string]map[string]map[*labelSet]struct{}{}, all: map[*labelSet]struct{}{},
	}
}

// fits compares one term with one label set.
func (m *matcher) fits(t *term, s *labelSet) bool {
	m.evaluations++
	return t.fits(s)
}

// candidates calls f with each term that may fit the labels, once.
func (m *matcher) candidates(l labels.Set, f func(*term)) {
	for key, value := range l {
		for _, t := range m.byLabel[label{key, value}] {
			f(t)
		}
		for _, t := range m.byKey[key] {
			f(t)
		}
	}
	for _, t := range m.loose {
		f(t)
	}
}

// add takes up a label set.
func (m *matcher) add(s *labelSet) {
	m.candidates(s.labels, func(t *term) {
		if m.fits(t, s) {
			t.sets[s] = struct{}{}
			s.terms = append(s.terms, t)
		}
	})
	m.index(s)
}

// remove forgets a label set.
func (m *matcher) remove(s *labelSet) {
	for _, t := range s.terms {
		delete(t.sets, s)
	}
	m.unindex(s)
}

// relabel gives a label set other labels. It returns the terms that fit now and did not before, and those that did
// and do not now. Only terms that speak of a label that changes are compared.
func (m *matcher) relabel(s *labelSet, to labels.Set, open bool) (gained, lost []*term) {
	next := &labelSet{labels: to, open: open}
	concerned := func(t *term) bool {
		return open != s.open || slices.ContainsFunc(t.requirements, func(r labels.Requirement) bool {
			before, had := s.labels[r.Key()]
			after, has := to[r.Key()]
			return had != has || before != after
		})
	}
	m.candidates(to, func(t *term) {
		if _, did := t.sets[s]; !did && concerned(t) && m.fits(t, next) {
			gained = append(gained, t)
		}
	})
	for _, t := range s.terms {
		if concerned(t) && !m.fits(t, next) {
			lost = append(lost, t)
		}
	}
	m.unindex(s)
	s.labels, s.open = to, open
	m.index(s)
	for _, t := range lost {
		delete(t.sets, s)
		s.terms = without(s.terms, t)
	}
	for _, t := range gained {
		t.sets[s] = struct{}{}
	}
	s.terms = append(s.terms, gained...)
	return gained, lost
}

func (m *matcher) index(s *labelSet) {
	m.all[s] = struct{}{}
	for key, value := range s.labels {
		values := m.sets[key]
		if values == nil {
			values = map[string]map[*labelSet]struct{}{}
			m.sets[key] = values
		}
		if values[value] == nil {
			values[value] = map[*labelSet]struct{}{}
		}
		values[value][s] = struct{}{}
	}
}

func (m *matcher) unindex(s *labelSet) {
	delete(m.all, s)
	for key, value := range s.labels {
		values := m.sets[key]
		if delete(values[value], s); len(values[value]) == 0 {
			delete(values, value)
		}
		if len(values) == 0 {
			delete(m.sets, key)
		}
	}
}

// term returns the term of a label selector, which is made if there is none.
func (m *matcher) term(of labelSelector) *term {
	if t := m.terms[of.text]; t != nil {
		return t
	}
	t := &term{labelSelector: of, side: m.side, sets: map[*labelSet]struct{}{}}
	m.terms[of.text] = t
	if of.nothing {
		return t
	}
	for _, sets := range m.setsFor(t) {
		for s := range sets {
			if m.fits(t, s) {
				t.sets[s] = struct{}{}
				s.terms = append(s.terms, t)
			}
		}
	}
	t.at = m.place(t)
	m.places(t, func(list []*term) []*term { return append(list, t) })
	return t
}

// drop forgets a term that no selector has any more.
func (m *matcher) drop(t *term) {
	delete(m.terms, t.text)
	for s := range t.sets {
		s.terms = without(s.terms, t)
	}
	if !t.nothing {
		m.places(t, func(list []*term) []*term { return without(list, t) })
	}
}

// setsFor returns the label sets that a new term may fit: those of the requirement that leaves the fewest.
func (m *matcher) setsFor(t *term) []map[*labelSet]struct{} {
	best, fewest := []map[*labelSet]struct{}{m.all}, len(m.all)
	for i := range t.requirements {
		r, have := &t.requirements[i], []map[*labelSet]struct{}(nil)
		switch values := m.sets[r.Key()]; r.Operator() {
		case selection.In:
			for _, v := range r.ValuesUnsorted() {
				have = append(have, values[v])
			}
		case selection.Exists:
			for _, sets := range values {
				have = append(have, sets)
			}
		default:
			continue
		}
		n := 0
		for _, sets := range have {
			n += len(sets)
		}
		if n < fewest {
			best, fewest = have, n
		}
	}
	return best
}

// place returns the requirement under which a new term is best found: one for a value before one for any, and of those
// for values the one whose values have the fewest terms yet. So of labels that nearly all selectors ask for, such as
// app.kubernetes.io/managed-by, none collects them all if they ask for something else as well.
func (m *matcher) place(t *term) *labels.Requirement {
	var best *labels.Requirement
	fewest := -1
	for i := range t.requirements {
		r := &t.requirements[i]
		switch r.Operator() {
		case selection.In:
			n := 0
			for _, v := range r.ValuesUnsorted() {
				n = max(n, len(m.byLabel[label{r.Key(), v}]))
			}
			if fewest < 0 || n < fewest {
				best, fewest = r, n
			}
		case selection.Exists:
			if best == nil {
				best = r
			}
		}
	}
	return best
}

// places changes the lists in which a term is found.
func (m *matcher) places(t *term, change func([]*term) []*term) {
	switch {
	case t.at == nil:
		m.loose = change(m.loose)
	case t.at.Operator() == selection.Exists:
		set(m.byKey, t.at.Key(), change(m.byKey[t.at.Key()]))
	default:
		for _, v := range t.at.ValuesUnsorted() {
			l := label{t.at.Key(), v}
			set(m.byLabel, l, change(m.byLabel[l]))
		}
	}
}

// set keeps a list in a map as long as it has anything.
func set[K comparable, V any](in map[K][]V, key K, list []V) {
	if len(list) == 0 {
		delete(in, key)
		return
	}
	in[key] = list
}

// without takes one element out of a list in no order.
func without[T comparable](list []T, one T) []T {
	i := slices.Index(list, one)
	last := len(list) - 1
	list[i] = list[last]
	clear(list[last:])
	return list[:last]
}
