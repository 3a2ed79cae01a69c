package controller

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// toy is a kind that makes a Port_Group of each namespace with the label team.
var toy = kind.Kind{
	Name: "toy", Priority: kind.Rest, Object: corev1.SchemeGroupVersion.WithKind("Namespace"),
	UID: func(in kind.Input, owner row.Owner) types.UID { return in.View.Namespace(owner.Name).UID },
	Owners: func(in kind.Input) (all []row.Owner) {
		for _, n := range in.View.Namespaces() {
			all = append(all, toyOwner(n.Name))
		}
		return all
	},
	Affected: func(_ kind.Input, change kube.Change) []row.Owner {
		if _, _, ok := kube.As[*corev1.Namespace](change); ok {
			return []row.Owner{toyOwner(change.Objects()[0].GetName())}
		}
		return nil
	},
	Translate: func(in kind.Input, owner row.Owner) ([]row.Row, error) {
		n := in.View.Namespace(owner.Name)
		if n == nil || n.Labels["team"] == "" {
			return nil, nil
		}
		group := &nb.PortGroup{Name: "toy_" + n.Name, ExternalIDs: map[string]string{"team": n.Labels["team"]}}
		return []row.Row{{ID: row.ID{Table: nb.PortGroupTable, Name: group.Name}, Model: group}}, nil
	},
}

func toyOwner(name string) row.Owner { return row.Owner{Kind: "toy", Name: name} }

func toyNamespace(team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "7", Labels: map[string]string{"team": team}}}
}

// TestAToyKind adds a kind to the registry and to nothing else. Its rows are written, updated and pruned, also by a
// version that does not know the kind.
func TestAToyKind(t *testing.T) {
	l := newLab(t)
	w := newWorld(t)
	var mu sync.Mutex
	var prepared, released []row.Owner
	note := func(list *[]row.Owner, o row.Owner) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, o)
	}
	w.kinds = append(slices.Clone(kinds), entry{
		Kind:     toy,
		prepare:  func(_ *allocation, o row.Owner) error { note(&prepared, o); return nil },
		released: func(_ *allocation, o row.Owner) { note(&released, o) },
	})
	group := func() []nb.PortGroup {
		var all []nb.PortGroup
		require.NoError(t, l.northbound.List(t.Context(), &all))
		return slices.DeleteFunc(all, func(g nb.PortGroup) bool { return g.Name != "toy_shop" })
	}
	t.Run("with the kind", func(t *testing.T) {
		engine := w.sync(t, l.config.OVN.Northbound)
		step := func(before, after kube.Object) {
			w.change(before, after)
			assert.Equal(t, map[row.Owner]bool{toyOwner("shop"): true}, w.marked)
			clear(w.marked)
			plan, err := engine.Plan(t.Context(), toyOwner("shop"))
			require.NoError(t, err)
			assert.Len(t, plan.Ops, 1, "one change, one operation")
			engine.Mark(toyOwner("shop"))
			settle(t, engine)
			l.catchUp(t)
		}
		clear(w.marked)
		step(nil, toyNamespace("red"))
		require.Len(t, group(), 1)
		first := group()[0]
		assert.Equal(t, map[string]string{"team": "red", row.OwnerKey: "toy/shop"}, first.ExternalIDs)
		step(toyNamespace("red"), toyNamespace("blue"))
		require.Len(t, group(), 1)
		assert.Equal(t, "blue", group()[0].ExternalIDs["team"])
		assert.Equal(t, first.UUID, group()[0].UUID, "the row is updated, not made again")
		step(toyNamespace("blue"), nil)
		assert.Empty(t, group())
		step(nil, toyNamespace("red"))
		require.Len(t, group(), 1)
		mu.Lock()
		defer mu.Unlock()
		for _, called := range [][]row.Owner{prepared, released} {
			assert.GreaterOrEqual(t, len(called), 4, "once for each step")
			assert.Equal(t, []row.Owner{toyOwner("shop")}, slices.Compact(called))
		}
	})
	t.Run("without the kind", func(t *testing.T) {
		w.kinds = kinds
		w.sync(t, l.config.OVN.Northbound)
		l.catchUp(t)
		assert.Empty(t, group(), "rows of a kind that is not registered are pruned")
	})
}

// catchUp returns when the lab's copy of the database shows all that was done before.
func (l *lab) catchUp(t *testing.T) {
	t.Helper()
	_, err := l.northbound.Transact(t.Context(), libovsdb.Operation{Op: libovsdb.OperationComment, Comment: new(string)})
	require.NoError(t, err)
}

// settle waits until the engine has carried out all that is marked.
func settle(t *testing.T, engine *nbsync.Engine) {
	t.Helper()
	waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	require.NoError(t, engine.Wait(waiting))
}

func TestKindsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range kinds {
		assert.False(t, seen[e.Name], "%s is registered twice", e.Name)
		seen[e.Name] = true
		assert.NotNil(t, e.Owners, e.Name)
		assert.NotNil(t, e.Affected, e.Name)
		assert.NotNil(t, e.Translate, e.Name)
		assert.Equal(t, e.Object.Empty(), e.UID == nil, "%s: an object has a UID", e.Name)
	}
}

// The UID of a Node's Events is its name, by which kubectl looks for them.
func TestObjectsOfEvents(t *testing.T) {
	pod := labelled("web", "1d7f")
	pod.Annotations = map[string]string{kube.ConfigHash: "hash"}
	in := kind.Input{View: kube.NewView(pod, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "9"}})}
	object := func(text string) corev1.ObjectReference {
		reference, _ := kinds.object(in, row.ParseOwner(text))
		return reference
	}
	assert.Equal(t, corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: "a", UID: "a"}, object("node/a"))
	assert.Equal(t, corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "ns", Name: "web", UID: "1d7f"}, object("pod/ns/web"))
	assert.Equal(t, corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: "ns", Name: "gone"}, object("service/ns/gone"))
	for _, owner := range []row.Owner{row.Cluster, toyOwner("shop")} {
		_, ok := kinds.object(in, owner)
		assert.False(t, ok, owner)
	}
	in.View = nil
	assert.Equal(t, corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: "a"}, object("node/a"))
	assert.Equal(t, int(kind.Ground), kinds.priority(topology.Owner("a")))
	assert.Equal(t, int(kind.Rest), kinds.priority(toyOwner("shop")))
}
