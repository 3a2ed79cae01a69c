package selector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// model is a small cluster by the plain definition: every selector compared with every pod, each time.
type model struct {
	t *testing.T
	// next returns a number below n, by which all that happens is chosen.
	next       func(n int) int
	index      *Index
	namespaces map[string]labels.Set
	pods       map[types.NamespacedName]labels.Set
	uses       map[row.Owner][]plain
}

// plain is a selector as an object has it.
type plain struct {
	id               ID
	namespaces, pods labels.Selector
	// always has the namespaces that it selects whatever labels they have besides their name.
	always map[string]bool
}

func newModel(t *testing.T, next func(int) int) *model {
	return &model{
		t: t, next: next, index: NewIndex(),
		namespaces: map[string]labels.Set{}, pods: map[types.NamespacedName]labels.Set{}, uses: map[row.Owner][]plain{},
	}
}

var (
	names  = []string{"a", "b", "c", "d"}
	keys   = []string{"app", "tier", "team"}
	values = []string{"x", "y", ""}
)

func (m *model) labels() labels.Set {
	l := labels.Set{}
	for _, key := range keys {
		if i := m.next(len(values) + 1); i < len(values) {
			l[key] = values[i]
		}
	}
	return l
}

// labelSelector returns a selector with up to three requirements, which may contradict each other.
func (m *model) labelSelector(keys []string, values ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	for range m.next(4) {
		key := keys[m.next(len(keys))]
		var some []string
		for range 1 + m.next(2) {
			some = append(some, values[m.next(len(values))])
		}
		demand := func(operator metav1.LabelSelectorOperator, values ...string) {
			r := metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
			s.MatchExpressions = append(s.MatchExpressions, r)
		}
		switch m.next(5) {
		case 0:
			s.MatchLabels = map[string]string{key: some[0]}
		case 1:
			demand(metav1.LabelSelectorOpIn, some...)
		case 2:
			demand(metav1.LabelSelectorOpNotIn, some...)
		case 3:
			demand(metav1.LabelSelectorOpExists)
		case 4:
			demand(metav1.LabelSelectorOpDoesNotExist)
		}
	}
	return s
}

// selector returns a selector as an object of some namespace may have it.
func (m *model) selector() (*Selector, plain) {
	own := names[m.next(len(names))]
	podSelector := m.labelSelector(keys, values...)
	var namespaceSelector *metav1.LabelSelector
	if m.next(3) > 0 {
		namespaceSelector = m.labelSelector(append([]string{corev1.LabelMetadataName}, keys...), append(names, values...)...)
	}
	s, err := New(own, namespaceSelector, podSelector)
	require.NoError(m.t, err)
	p := plain{id: s.ID(), pods: parsed(m.t, podSelector)}
	if namespaceSelector == nil {
		namespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: own}}
	}
	p.namespaces = parsed(m.t, namespaceSelector)
	p.always = always(p.namespaces)
	return s, p
}

func parsed(t *testing.T, s *metav1.LabelSelector) labels.Selector {
	p, err := metav1.LabelSelectorAsSelector(s)
	require.NoError(t, err)
	return p
}

// selects is the definition. A namespace that is not known is selected if it is whatever labels it has.
func (m *model) selects(p plain, pod types.NamespacedName) bool {
	l, known := m.namespaces[pod.Namespace]
	return p.pods.Matches(m.pods[pod]) && (known && p.namespaces.Matches(l) || !known && p.always[pod.Namespace])
}

// possible maps a namespace to all labels it may have that the selectors can tell apart.
var possible = func() map[string][]labels.Set {
	all := map[string][]labels.Set{}
	for _, name := range names {
		all[name] = []labels.Set{{corev1.LabelMetadataName: name}}
		for _, key := range keys {
			for _, l := range all[name] {
				for _, value := range slices.Concat([]string{"another"}, names, values) {
					with := maps.Clone(l)
					with[key] = value
					all[name] = append(all[name], with)
				}
			}
		}
	}
	return all
}()

// always returns the namespaces that a selector selects whatever labels they have besides their name.
func always(s labels.Selector) map[string]bool {
	selected := map[string]bool{}
	for _, name := range names {
		selected[name] = !slices.ContainsFunc(possible[name], func(l labels.Set) bool { return !s.Matches(l) })
	}
	return selected
}

// selected returns which selectors select which pod.
func (m *model) selected() map[types.NamespacedName]map[ID]bool {
	all := map[types.NamespacedName]map[ID]bool{}
	for pod := range m.pods {
		all[pod] = map[ID]bool{}
		for _, uses := range m.uses {
			for _, p := range uses {
				if m.selects(p, pod) {
					all[pod][p.id] = true
				}
			}
		}
	}
	return all
}

// step changes something and checks what the index says of the change and of the state after it.
func (m *model) step() {
	before := m.selected()
	said := map[types.NamespacedName]PodChange{}
	group := func(namespace string, changes []GroupChange) {
		for _, c := range changes {
			require.Equal(m.t, namespace, c.Namespace)
			for _, name := range c.Pods {
				pod := types.NamespacedName{Namespace: namespace, Name: name}
				require.NotContains(m.t, said, pod, "each pod once")
				said[pod] = c.PodChange
			}
		}
	}
	namespace := names[m.next(len(names))]
	pod := types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(m.next(4))}
	switch m.next(8) {
	case 0, 1, 2:
		l := m.labels()
		m.pods[pod] = l
		said[pod] = m.index.SetPod(pod.Namespace, pod.Name, l)
	case 3:
		delete(m.pods, pod)
		said[pod] = m.index.DeletePod(pod.Namespace, pod.Name)
	case 4:
		l := m.labels()
		group(namespace, m.index.SetNamespace(namespace, l))
		m.namespaces[namespace] = maps.Clone(l)
		m.namespaces[namespace][corev1.LabelMetadataName] = namespace
	case 5:
		delete(m.namespaces, namespace)
		group(namespace, m.index.DeleteNamespace(namespace))
	default:
		m.declare(user(m.next(6)))
		m.checkState()
		return // What a selector selects when it comes is asked of Pods.
	}
	m.checkChanges(before, said)
	m.checkState()
}

func (m *model) declare(owner row.Owner) {
	var selectors []*Selector
	var uses []plain
	for range m.next(4) {
		s, p := m.selector()
		selectors, uses = append(selectors, s), append(uses, p)
	}
	before := m.used()
	added, removed, err := m.index.Declare(owner, selectors...)
	require.NoError(m.t, err)
	m.uses[owner] = uses
	after := m.used()
	require.Equal(m.t, less(after, before), append([]ID{}, added...))
	require.Equal(m.t, less(before, after), append([]ID{}, removed...))
}

func (m *model) used() map[ID]bool {
	ids := map[ID]bool{}
	for _, uses := range m.uses {
		for _, p := range uses {
			ids[p.id] = true
		}
	}
	return ids
}

func less(from, what map[ID]bool) []ID {
	ids := []ID{}
	for _, id := range slices.Sorted(maps.Keys(from)) {
		if !what[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func (m *model) checkChanges(before map[types.NamespacedName]map[ID]bool, said map[types.NamespacedName]PodChange) {
	after := m.selected()
	for _, namespace := range names {
		for i := range 4 {
			pod := types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(i)}
			require.Equal(m.t, less(after[pod], before[pod]), append([]ID{}, said[pod].Added...), "%s now by", pod)
			require.Equal(m.t, less(before[pod], after[pod]), append([]ID{}, said[pod].Removed...), "%s no longer by", pod)
		}
	}
}

func (m *model) checkState() {
	selected := m.selected()
	pods := map[ID][]types.NamespacedName{}
	for _, namespace := range names {
		for i := range 4 {
			pod := types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(i)}
			if _, exists := m.pods[pod]; !exists {
				continue
			}
			want := less(selected[pod], nil)
			require.Equal(m.t, want, append([]ID{}, m.index.Selecting(pod.Namespace, m.pods[pod])...), "selectors of %s", pod)
			for _, id := range want {
				pods[id] = append(pods[id], pod)
			}
		}
	}
	used := m.used()
	require.Equal(m.t, less(used, nil), append([]ID{}, m.index.IDs()...))
	for id := range used {
		require.Equal(m.t, id, m.index.Selector(id).ID())
		require.Equal(m.t, pods[id], m.index.Pods(id), "pods of %s", m.index.Selector(id))
	}
}

// end takes all away and checks that the index keeps nothing.
func (m *model) end() {
	for owner := range m.uses {
		_, _, err := m.index.Declare(owner)
		require.NoError(m.t, err)
	}
	for pod := range m.pods {
		m.index.DeletePod(pod.Namespace, pod.Name)
	}
	for namespace := range m.namespaces {
		m.index.DeleteNamespace(namespace)
	}
	x := m.index
	require.Empty(m.t, x.namespaces)
	require.Empty(m.t, x.interned)
	require.Empty(m.t, x.entries)
	require.Empty(m.t, x.pairs)
	require.Empty(m.t, x.uses)
	for _, side := range x.matchers {
		require.Empty(m.t, side.terms)
		require.Empty(m.t, side.byLabel)
		require.Empty(m.t, side.byKey)
		require.Empty(m.t, side.loose)
		require.Empty(m.t, side.sets)
		require.Empty(m.t, side.all)
	}
}

func TestRandomChangesAgainstThePlainDefinition(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, rand.New(rand.NewPCG(seed, 1)).IntN)
			if seed%4 == 0 {
				m.index.hash = func(labels.Set) uint64 { return 7 } // All labels collide.
			}
			for range 400 {
				m.step()
			}
			m.end()
		})
	}
}

// FuzzChanges lets the fuzzer choose what happens.
func FuzzChanges(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03 pods come and go"))
	f.Add([]byte{6, 0, 6, 1, 3, 2, 2, 1, 0, 1, 0, 4, 1, 2, 3, 0, 0, 0, 1, 1, 1, 4, 0, 0, 5, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := newModel(t, func(n int) int {
			if len(script) == 0 {
				return 0
			}
			one := int(script[0]) % n
			script = script[1:]
			return one
		})
		for steps := 0; len(script) > 0 && steps < 100; steps++ {
			m.step()
		}
		m.end()
	})
}

// user is one of the owners that use selectors.
func user(name any) row.Owner { return row.Owner{Kind: "policy", Name: fmt.Sprint(name)} }
