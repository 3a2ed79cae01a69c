package selector

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

func match(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	r := metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{r}}
}

func all() *metav1.LabelSelector { return &metav1.LabelSelector{} }

func mustNew(t testing.TB, namespace string, namespaces, pods *metav1.LabelSelector) *Selector {
	t.Helper()
	s, err := New(namespace, namespaces, pods)
	require.NoError(t, err)
	return s
}

func TestNames(t *testing.T) {
	own := mustNew(t, "default", nil, match("app", "web"))
	assert.Equal(t, "namespaces: kubernetes.io/metadata.name in (default); pods: app in (web)", own.String())
	// Names of rows are made of it: another ID makes all of them anew at an update.
	assert.Equal(t, ID("svq3z42om56c6nsahb2kw"), own.ID())
	assert.Regexp(t, "^[a-z][a-z0-9]{20}$", own.ID())
	assert.False(t, own.Everything())

	every := mustNew(t, "", all(), nil)
	assert.Equal(t, "namespaces: *; pods: *", every.String())
	assert.True(t, every.Everything())
	assert.False(t, mustNew(t, "", all(), expression("app", metav1.LabelSelectorOpExists)).Everything())
}

// Two spellings of one selector are one selector.
func TestSpellings(t *testing.T) {
	in, notIn := metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn
	exists, absent := metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist
	both := func(a, b *metav1.LabelSelector) *metav1.LabelSelector {
		expressions := append(a.MatchExpressions, b.MatchExpressions...)
		return &metav1.LabelSelector{MatchLabels: a.MatchLabels, MatchExpressions: expressions}
	}
	for _, c := range []struct {
		text  string
		equal []*metav1.LabelSelector
	}{
		{"a in (1)", []*metav1.LabelSelector{
			match("a", "1"), expression("a", in, "1"), expression("a", in, "1", "1"), both(match("a", "1"), expression("a", exists)),
			both(expression("a", in, "1", "2"), expression("a", notIn, "2")), both(expression("a", in, "2", "1"), expression("a", in, "3", "1")),
		}},
		{"a in (1,2)", []*metav1.LabelSelector{expression("a", in, "2", "1"), expression("a", in, "1", "2")}},
		{"a,a notin (1)", []*metav1.LabelSelector{both(expression("a", notIn, "1"), expression("a", exists))}},
		{"a notin (1,2)", []*metav1.LabelSelector{both(expression("a", notIn, "2"), expression("a", notIn, "1"))}},
		{"!a", []*metav1.LabelSelector{expression("a", absent), both(expression("a", absent), expression("a", notIn, "1"))}},
		{"none", []*metav1.LabelSelector{both(expression("a", absent), expression("a", exists)), both(match("a", "1"), expression("a", absent)),
			both(match("a", "1"), expression("a", notIn, "1"))}},
		{"*", []*metav1.LabelSelector{all(), nil}},
	} {
		for _, s := range c.equal {
			assert.Equal(t, c.text, mustNew(t, "", all(), s).sides[ofPods].text, "%v", s)
		}
	}
	own, named := mustNew(t, "default", nil, all()), mustNew(t, "", match(corev1.LabelMetadataName, "default"), nil)
	assert.Equal(t, own.ID(), named.ID(), "the own namespace is the one of that name")
	never := both(match("a", "1"), expression("a", absent))
	assert.Equal(t, mustNew(t, "x", nil, never).ID(), mustNew(t, "", never, all()).ID())
}

// The canonical form of a label selector is the same for those that fit the same labels, and for no others.
func TestCanonicalFormIsTheMeaning(t *testing.T) {
	m := newModel(t, rand.New(rand.NewPCG(1, 2)).IntN)
	// means is, for each of the label sets that the selectors can tell apart, whether it fits.
	means := func(s labels.Selector) (bits [16]bool) {
		options := append([]string{"-", "another"}, values[:2]...)
		for i, app := range options {
			for j, tier := range options {
				l := labels.Set{"app": app, "tier": tier}
				for key, value := range l {
					if value == "-" {
						delete(l, key)
					}
				}
				bits[4*i+j] = s.Matches(l)
			}
		}
		return bits
	}
	texts, meanings := map[[16]bool]string{}, map[string][16]bool{}
	for range 20000 {
		s := m.labelSelector(keys[:2], values[:2]...)
		c, err := newLabelSelector(s)
		require.NoError(t, err)
		is := means(parsed(t, s))
		if text, known := texts[is]; known {
			require.Equal(t, text, c.text)
		}
		if meaning, known := meanings[c.text]; known {
			require.Equal(t, meaning, is, c.text)
		}
		texts[is], meanings[c.text] = c.text, is
	}
	assert.Greater(t, len(texts), 50)
}

func TestInvalidSelectors(t *testing.T) {
	for want, make := range map[string]func() (*Selector, error){
		"neither namespaceSelector nor podSelector is given": func() (*Selector, error) { return New("a", nil, nil) },
		"namespaceSelector is missing, and the object has no namespace of its own": func() (*Selector, error) {
			return New("", nil, all())
		},
		`read podSelector: key: Invalid value: "a b"`: func() (*Selector, error) { return New("a", nil, match("a b", "1")) },
		`read namespaceSelector: values[0][a]: Invalid value: "1,2"`: func() (*Selector, error) {
			return New("a", match("a", "1,2"), nil)
		},
		`read podSelector: "Gt" is not a valid label selector operator`: func() (*Selector, error) {
			return New("a", nil, expression("a", "Gt", "1"))
		},
		"read podSelector: values: Invalid value: null: for 'in', 'notin' operators": func() (*Selector, error) {
			return New("a", nil, expression("a", metav1.LabelSelectorOpIn))
		},
	} {
		s, err := make()
		assert.ErrorContains(t, err, want)
		assert.Nil(t, s)
	}
}

// Two selectors with one hash are never taken for each other.
func TestHashCollisionIsRefused(t *testing.T) {
	x := NewIndex()
	one, other := mustNew(t, "a", nil, match("app", "one")), mustNew(t, "a", nil, match("app", "other"))
	other.id = one.id
	_, _, err := x.Declare(user("both"), one, other)
	require.ErrorContains(t, err, "has the same hash")
	require.Empty(t, x.IDs(), "with an error nothing changes")
	_, _, err = x.Declare(user("one"), one)
	require.NoError(t, err)
	_, _, err = x.Declare(user("other"), other)
	require.ErrorContains(t, err, "has the same hash")
	require.Equal(t, one, x.Selector(one.ID()))
}

func TestSelectorGoesWithItsLastUser(t *testing.T) {
	x := NewIndex()
	x.SetPod("a", "web-0", map[string]string{"app": "web"})
	s := mustNew(t, "a", nil, match("app", "web"))
	same := mustNew(t, "a", nil, expression("app", metav1.LabelSelectorOpIn, "web"))
	added, removed, err := x.Declare(user("one"), s, same)
	require.NoError(t, err)
	assert.Equal(t, []ID{s.ID()}, added)
	assert.Empty(t, removed)
	assert.Equal(t, []types.NamespacedName{{Namespace: "a", Name: "web-0"}}, x.Pods(s.ID()))
	added, _, _ = x.Declare(user("two"), same)
	assert.Empty(t, added)
	_, removed, _ = x.Declare(user("one"))
	assert.Empty(t, removed, "the other uses it")
	assert.NotNil(t, x.Selector(s.ID()))
	_, removed, _ = x.Declare(user("two"), mustNew(t, "a", nil, all()))
	assert.Equal(t, []ID{s.ID()}, removed)
	assert.Nil(t, x.Selector(s.ID()))
	assert.Empty(t, x.Pods(s.ID()))
}

// What is said of a pod whose namespace is not known holds whatever the labels of the namespace will be.
func TestPodBeforeItsNamespace(t *testing.T) {
	x := NewIndex()
	own, team := mustNew(t, "a", nil, all()), mustNew(t, "", match("team", "x"), nil)
	notTeam := mustNew(t, "", expression("team", metav1.LabelSelectorOpNotIn, "x"), nil)
	web := func(added, removed []ID) []GroupChange {
		return []GroupChange{{"a", []string{"1"}, PodChange{added, removed}}}
	}
	_, _, err := x.Declare(user("p"), own, team, notTeam)
	require.NoError(t, err)
	assert.Equal(t, PodChange{Added: []ID{own.ID()}}, x.SetPod("a", "1", nil))
	assert.Equal(t, web([]ID{team.ID()}, nil), x.SetNamespace("a", map[string]string{"team": "x"}))
	assert.Equal(t, web([]ID{notTeam.ID()}, []ID{team.ID()}), x.SetNamespace("a", nil))
	assert.Empty(t, x.SetNamespace("a", nil))
	assert.Equal(t, web(nil, []ID{notTeam.ID()}), x.DeleteNamespace("a"))
}
