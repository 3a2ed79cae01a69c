package selector

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/kube"
)

// TestFollow follows a View: pods that start, finish and go, and a namespace's labels.
func TestFollow(t *testing.T) {
	web := func(name string) *kube.Pod {
		return &kube.Pod{Namespace: "a", Name: name, Labels: map[string]string{"app": "web"}, Node: "n"}
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"team": "x"}}}
	host := web("host")
	host.HostNetwork = true
	v, x := kube.NewView(web("1"), host, ns), NewIndex()
	s := mustNew(t, "", match("team", "x"), match("app", "web"))
	_, _, err := x.Declare(user("p"), s)
	require.NoError(t, err)
	x.Fill(v)
	require.Equal(t, []types.NamespacedName{{Namespace: "a", Name: "1"}}, x.Pods(s.ID()), "a pod of the node's network is none")

	added := func(names ...string) []GroupChange {
		return []GroupChange{{"a", names, PodChange{Added: []ID{s.ID()}}}}
	}
	removed := func(names ...string) []GroupChange {
		return []GroupChange{{"a", names, PodChange{Removed: []ID{s.ID()}}}}
	}
	unbound := web("2")
	unbound.Node = ""
	v.Set(unbound)
	assert.Empty(t, x.Follow(v, kube.Change{New: unbound}))
	v.Set(web("2"))
	assert.Equal(t, added("2"), x.Follow(v, kube.Change{Old: unbound, New: web("2")}))
	assert.Empty(t, x.Follow(v, kube.Change{New: unbound}), "a change that comes late")
	finished := web("2")
	finished.Finished = true
	v.Set(finished)
	assert.Equal(t, removed("2"), x.Follow(v, kube.Change{Old: web("2"), New: finished}))
	v.Set(web("2"))
	x.Follow(v, kube.Change{New: web("2")})

	other := ns.DeepCopy()
	other.Labels = nil
	v.Set(other)
	assert.Equal(t, removed("1", "2"), x.Follow(v, kube.Change{Old: ns, New: other}))
	v.Set(ns)
	assert.Equal(t, added("1", "2"), x.Follow(v, kube.Change{Old: other, New: ns}))
	v.Unset(ns)
	assert.Equal(t, removed("1", "2"), x.Follow(v, kube.Change{Old: ns}), "its labels are not known")
	v.Set(ns)
	x.Follow(v, kube.Change{New: ns})
	v.Unset(web("1"))
	assert.Equal(t, removed("1"), x.Follow(v, kube.Change{Old: web("1")}))
	assert.Empty(t, x.Follow(v, kube.Change{New: &corev1.Service{}}))
}
