package selector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The large cluster: 200 namespaces of 40 teams with ten Deployments each, of 25 pods.
const (
	largeNamespaces = 200
	largeTeams      = 40
	perNamespace    = 10
	perDeployment   = 25
	largeSelectors  = 10000
)

type large struct {
	*Index
	labels map[types.NamespacedName]map[string]string
}

func namespaceName(n int) string { return fmt.Sprintf("namespace-%03d", n) }

func namespaceLabels(n int) map[string]string {
	return map[string]string{
		corev1.LabelMetadataName: namespaceName(n),
		"team":                   fmt.Sprint("team-", n%largeTeams), "env": []string{"prod", "stage", "dev"}[n%3],
	}
}

// deployment returns the labels of a Deployment's pods, as Helm's charts have them. Each has a pod-template-hash of
// its own.
func deployment(namespace, d int) map[string]string {
	app := (7*namespace + d) % 100
	return map[string]string{
		"app.kubernetes.io/name": fmt.Sprint("app-", app), "app.kubernetes.io/managed-by": "Helm",
		"app.kubernetes.io/instance": fmt.Sprintf("app-%d-%d", app, namespace%4),
		"tier":                       []string{"front", "back", "data"}[app%3],
		"version":                    fmt.Sprint("v", namespace%5), "pod-template-hash": fmt.Sprintf("%x", 1000*namespace+d),
	}
}

// selectorNumber returns one of the kinds of selectors that policies have, each distinct from all others.
func selectorNumber(t testing.TB, i int) *Selector {
	exists, in, notIn := metav1.LabelSelectorOpExists, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn
	name := func(app int) *metav1.LabelSelector {
		return match("app.kubernetes.io/name", fmt.Sprint("app-", app%100))
	}
	helm := func(s *metav1.LabelSelector) *metav1.LabelSelector {
		s.MatchLabels["app.kubernetes.io/managed-by"] = "Helm"
		return s
	}
	n := i % largeNamespaces
	own := namespaceName(n)
	switch round := i / largeNamespaces; {
	case round < 10: // Subjects of policies: one Deployment of the own namespace.
		return mustNew(t, own, nil, name(7*n+round))
	case round == 10: // Default deny.
		return mustNew(t, own, nil, all())
	case round == 11:
		return mustNew(t, own, nil, expression("tier", in, "front", "back"))
	case round == 12:
		return mustNew(t, own, nil, expression("version", exists))
	case round < 33: // Peers of another team: 4,000.
		j := i - 13*largeNamespaces
		return mustNew(t, "", match("team", fmt.Sprint("team-", j%largeTeams)), name(j/largeTeams))
	case round < 43: // One Deployment by two labels, one of which all have, and an exception.
		s := helm(name(7*n + round))
		s.MatchExpressions = expression("tier", notIn, "none").MatchExpressions
		return mustNew(t, "", match(corev1.LabelMetadataName, own), s)
	case round == 43 && n < largeTeams: // All pods of all teams but one.
		return mustNew(t, "", expression("team", notIn, fmt.Sprint("team-", n)), nil)
	case round == 43 && n < 140:
		return mustNew(t, "", all(), name(n))
	case round == 43 && n < 143:
		return mustNew(t, "", match("env", []string{"prod", "stage", "dev"}[n%3]), nil)
	default: // Labels that no pod has.
		return mustNew(t, "", match("env", "prod"), helm(match("app.kubernetes.io/instance", fmt.Sprint("none-", i))))
	}
}

func newLarge(t testing.TB, selectors int) *large {
	l := &large{Index: NewIndex(), labels: map[types.NamespacedName]map[string]string{}}
	ids := map[ID]bool{}
	for i := range selectors {
		s := selectorNumber(t, i)
		ids[s.ID()] = true
		_, _, err := l.Declare(user(i), s)
		require.NoError(t, err)
	}
	require.Len(t, ids, selectors)
	for n := range largeNamespaces {
		l.SetNamespace(namespaceName(n), namespaceLabels(n))
		for d := range perNamespace {
			labels := deployment(n, d)
			for p := range perDeployment {
				l.set(n, fmt.Sprintf("app-%d-%d", d, p), labels)
			}
		}
	}
	return l
}

func (l *large) set(namespace int, name string, labels map[string]string) PodChange {
	l.labels[types.NamespacedName{Namespace: namespaceName(namespace), Name: name}] = labels
	return l.SetPod(namespaceName(namespace), name, labels)
}

// evaluations returns how often a label selector is compared with labels while f runs.
func (l *large) evaluations(f func()) int {
	count := func() int { return l.matchers[ofNamespaces].evaluations + l.matchers[ofPods].evaluations }
	before := count()
	f()
	return count() - before
}

// fill puts 500 pods into a namespace that has 250.
func (l *large) fill() {
	for d := range perNamespace {
		for p := range perDeployment {
			l.set(0, fmt.Sprintf("more-%d-%d", d, p), deployment(0, d))
		}
	}
}

// TestWork counts comparisons of selectors with labels, and allocations. What it allows is a little above what it
// counts.
func TestWork(t *testing.T) {
	l, small := newLarge(t, largeSelectors), newLarge(t, 100)
	require.Len(t, l.interned, 2000)
	require.Len(t, l.IDs(), largeSelectors)
	namespace, labels := namespaceName(0), deployment(0, 3)
	fresh := deployment(0, 3)
	fresh["pod-template-hash"] = "fresh"

	t.Run("a pod like others", func(t *testing.T) {
		var change PodChange
		cycle := func(x *large) func() {
			return func() {
				change = x.SetPod(namespace, "another", labels)
				x.SetPod(namespace, "another", labels)
				x.DeletePod(namespace, "another")
			}
		}
		assert.Zero(t, l.evaluations(cycle(l)))
		assert.Len(t, change.Added, 46)
		// The name, and the two answers.
		assert.LessOrEqual(t, testing.AllocsPerRun(100, cycle(l)), 3.0)
		assert.LessOrEqual(t, testing.AllocsPerRun(100, cycle(small)), 3.0)
		status := func() { l.SetPod(namespace, "app-3-0", labels) }
		assert.Zero(t, testing.AllocsPerRun(100, status), "only its status changes")
	})
	t.Run("which selectors select a pod", func(t *testing.T) {
		var ids []ID
		ask := func() { ids = l.Selecting(namespace, labels) }
		assert.Zero(t, l.evaluations(ask))
		assert.Len(t, ids, 46)
		assert.LessOrEqual(t, testing.AllocsPerRun(100, ask), 1.0)
	})
	t.Run("labels that no pod had before", func(t *testing.T) {
		cycle := func(x *large) func() {
			return func() {
				x.SetPod(namespace, "another", fresh)
				x.DeletePod(namespace, "another")
			}
		}
		n := l.evaluations(cycle(l))
		t.Logf("%d comparisons, of %d distinct label selectors for pods", n, len(l.matchers[ofPods].terms))
		assert.LessOrEqual(t, n, 20)
		many, few := testing.AllocsPerRun(100, cycle(l)), testing.AllocsPerRun(100, cycle(small))
		t.Logf("allocations: %.0f with %d selectors, %.0f with 100", many, largeSelectors, few)
		// The list of the terms that fit grows in a few steps.
		assert.LessOrEqual(t, many, few+5)
	})
	t.Run("a pod's label", func(t *testing.T) {
		var change PodChange
		other := deployment(0, 3)
		other["tier"] = "none"
		l.SetPod(namespace, "another", labels)
		n := l.evaluations(func() { change = l.SetPod(namespace, "another", other) })
		l.DeletePod(namespace, "another")
		assert.LessOrEqual(t, n, 20)
		assert.Empty(t, change.Added)
		assert.Len(t, change.Removed, 1, "that of the own namespace for front and back")
	})
	t.Run("a new selector", func(t *testing.T) {
		s := mustNew(t, "", match("team", "team-1"), match("version", "v1"))
		n := l.evaluations(func() { _, _, _ = l.Declare(user("new"), s) })
		t.Logf("%d comparisons, %d pods, of %d label sets", n, len(l.Pods(s.ID())), len(l.interned))
		// One for each label set that has the label: 40 namespaces with ten Deployments. Those for namespaces are
		// there.
		assert.Equal(t, 400, n)
		assert.Len(t, l.Pods(s.ID()), 5*perNamespace*perDeployment)
		_, _, _ = l.Declare(user("new"))
	})
	t.Run("a namespace's label, 500 pods", func(t *testing.T) {
		l.fill()
		to := namespaceLabels(0)
		to["team"] = "team-1"
		var changes []GroupChange
		n := l.evaluations(func() { changes = l.SetNamespace(namespace, to) })
		pods, added, removed := 0, 0, 0
		for _, c := range changes {
			pods += len(c.Pods)
			added, removed = added+len(c.Added), removed+len(c.Removed)
		}
		t.Logf("%d comparisons, of %d label selectors for namespaces; %d groups, %d pods, %d + %d selectors of groups",
			n, len(l.matchers[ofNamespaces].terms), len(changes), pods, added, removed)
		assert.Equal(t, 500, pods)
		assert.Equal(t, perNamespace, len(changes))
		// Both teams' selectors, and the 40 that select all teams but one.
		assert.LessOrEqual(t, n, 42)
		to = namespaceLabels(0)
		to["unused"] = "yes"
		l.SetNamespace(namespace, namespaceLabels(0))
		n = l.evaluations(func() { changes = l.SetNamespace(namespace, to) })
		assert.Zero(t, n, "a label that no selector names")
		assert.Empty(t, changes)
	})
}

// TestSelectorsOfOneLabel: a label that all selectors ask for does not make all of them candidates.
func TestSelectorsOfOneLabel(t *testing.T) {
	l := &large{Index: NewIndex()}
	for i := range 1000 {
		s := match("app.kubernetes.io/managed-by", "Helm")
		s.MatchLabels["name"] = fmt.Sprint(i)
		_, _, err := l.Declare(user(i), mustNew(t, "", all(), s))
		require.NoError(t, err)
	}
	l.SetNamespace("a", nil)
	labels := map[string]string{"app.kubernetes.io/managed-by": "Helm", "name": "7"}
	n := l.evaluations(func() { l.SetPod("a", "1", labels) })
	assert.LessOrEqual(t, n, 3)
	l.SetPod("a", "1", map[string]string{"name": "8"})
	fresh := match("app.kubernetes.io/managed-by", "Helm")
	fresh.MatchLabels["x"] = "y"
	n = l.evaluations(func() { _, _, _ = l.Declare(user("new"), mustNew(t, "", all(), fresh)) })
	assert.Zero(t, n, "no pod has these")
}

// TestPodsAreListedFromTheSideWithFewerGroups: what the pods of a selector cost grows with them, not with the cluster.
func TestPodsAreListedFromTheSideWithFewerGroups(t *testing.T) {
	l := newLarge(t, 0)
	for want, s := range map[int]*Selector{
		ofNamespaces: mustNew(t, namespaceName(1), nil, all()),
		ofPods:       mustNew(t, "", all(), match("pod-template-hash", "3e9")),
	} {
		_, _, err := l.Declare(user("p"), s)
		require.NoError(t, err)
		assert.Equal(t, want, fewerGroups(l.entries[s.ID()].terms))
	}
	// Both sides have 200 label sets: one label of pods in each namespace, and all ten of each namespace.
	s := mustNew(t, "", all(), match("app.kubernetes.io/name", "app-7"))
	_, _, err := l.Declare(user("p"), s)
	require.NoError(t, err)
	assert.Equal(t, ofPods, fewerGroups(l.entries[s.ID()].terms))
}

var sink any

// BenchmarkIndex measures one operation at a time on the large cluster.
func BenchmarkIndex(b *testing.B) {
	l := newLarge(b, largeSelectors)
	l.fill()
	r := rand.New(rand.NewPCG(1, 1))
	var pods []types.NamespacedName
	for pod := range l.labels {
		pods = append(pods, pod)
	}
	one := func() (types.NamespacedName, map[string]string) {
		pod := pods[r.IntN(len(pods))]
		return pod, l.labels[pod]
	}
	measure := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := l.evaluations(func() {
				for b.Loop() {
					f()
				}
			})
			b.ReportMetric(float64(n)/float64(b.N), "comparisons/op")
		})
	}
	measure("Selecting", func() {
		pod, labels := one()
		sink = l.Selecting(pod.Namespace, labels)
	})
	measure("PodComesAndGoes", func() {
		pod, labels := one()
		l.SetPod(pod.Namespace, "another", labels)
		l.DeletePod(pod.Namespace, "another")
	})
	fresh := map[string]map[string]string{}
	for _, n := range []int{3, 50, 120} {
		labels := deployment(n, 1)
		labels["pod-template-hash"] = "fresh"
		fresh[namespaceName(n)] = labels
	}
	measure("PodWithFreshLabelsComesAndGoes", func() {
		for namespace, labels := range fresh { // Some one of them.
			l.SetPod(namespace, "another", labels)
			l.DeletePod(namespace, "another")
			break
		}
	})
	measure("PodStatus", func() {
		pod, labels := one()
		l.SetPod(pod.Namespace, pod.Name, labels)
	})
	flip := 0
	measure("NamespaceOf500PodsIsRelabelled", func() {
		flip++
		to := namespaceLabels(0)
		to["team"] = fmt.Sprint("team-", flip%largeTeams)
		sink = l.SetNamespace(namespaceName(0), to)
	})
	selector := mustNew(b, namespaceName(7), nil, expression("tier", metav1.LabelSelectorOpNotIn, "front"))
	measure("SelectorComesAndGoes", func() {
		_, _, _ = l.Declare(user("new"), selector)
		sink = l.Pods(selector.ID())
		_, _, _ = l.Declare(user("new"))
	})
}

// BenchmarkStart builds the whole index, as a controller does that begins to lead, and weighs it.
func BenchmarkStart(b *testing.B) {
	b.Run("Deployments", func(b *testing.B) { start(b, perDeployment) })
	// Each pod of a StatefulSet has labels of its own: its name and its number.
	b.Run("StatefulSets", func(b *testing.B) { start(b, 1) })
}

func start(b *testing.B, podsOfALabelSet int) {
	for b.Loop() {
		b.StopTimer()
		var pods []string
		var labels [largeNamespaces][]map[string]string
		for i := range perNamespace * perDeployment {
			pods = append(pods, fmt.Sprintf("app-%d-5d8f9c7b6d-%05d", i/perDeployment, i))
			for n := range largeNamespaces {
				if i%podsOfALabelSet > 0 {
					labels[n] = append(labels[n], labels[n][i-1])
					continue
				}
				l := deployment(n, i/perDeployment)
				if podsOfALabelSet == 1 {
					delete(l, "pod-template-hash")
					l["statefulset.kubernetes.io/pod-name"] = pods[i]
					l["apps.kubernetes.io/pod-index"] = fmt.Sprint(i % perDeployment)
				}
				labels[n] = append(labels[n], l)
			}
		}
		before := live()
		b.StartTimer()
		x := NewIndex()
		for n := range largeNamespaces {
			x.SetNamespace(namespaceName(n), namespaceLabels(n))
			for i, name := range pods {
				x.SetPod(namespaceName(n), name, labels[n][i])
			}
		}
		b.StopTimer()
		withPods := live()
		b.StartTimer()
		for i := range largeSelectors {
			_, _, _ = x.Declare(user(i), selectorNumber(b, i))
		}
		b.StopTimer()
		b.ReportMetric(float64(withPods-before)/1e6, "MB-pods")
		b.ReportMetric(float64(live()-withPods)/1e6, "MB-selectors")
		b.ReportMetric(float64(x.matchers[ofPods].evaluations+x.matchers[ofNamespaces].evaluations), "comparisons/op")
		b.ReportMetric(float64(len(x.matchers[ofPods].all)), "label-sets")
		runtime.KeepAlive(x)
		runtime.KeepAlive(&labels)
		b.StartTimer()
	}
}

// live returns the bytes of the heap that are in use.
func live() int64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
