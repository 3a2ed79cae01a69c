package kube

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func pod(namespace, name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node}}
}

func TestViewIndexes(t *testing.T) {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
	orphan := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "y"}}
	v := NewView(pod("b", "1", "n1"), pod("a", "2", "n1"), pod("a", "3", "n2"), pod("a", "4", ""), slice, orphan)

	assert.Equal(t, []*corev1.Pod{pod("a", "2", "n1"), pod("b", "1", "n1")}, v.PodsOn("n1"))
	assert.Len(t, v.PodsIn("a"), 3)
	assert.Empty(t, v.PodsOn(""))
	assert.Equal(t, []*discoveryv1.EndpointSlice{slice}, v.EndpointSlices("a", "web"))
	assert.Nil(t, v.Pod("a", "1"))
	assert.Nil(t, v.Node("n1"))
	assert.Empty(t, v.Nodes())

	v.Set(pod("a", "2", "n2"))
	assert.Len(t, v.PodsOn("n1"), 1)
	v.Unset(pod("a", "2", ""))
	assert.Len(t, v.PodsOn("n2"), 1)
}

func TestOnNetwork(t *testing.T) {
	assert.False(t, OnNetwork(nil))
	assert.False(t, OnNetwork(pod("a", "b", "")))
	assert.True(t, OnNetwork(pod("a", "b", "n")))
	host := pod("a", "b", "n")
	host.Spec.HostNetwork = true
	assert.False(t, OnNetwork(host))
	for phase, want := range map[corev1.PodPhase]bool{
		corev1.PodPending: true, corev1.PodRunning: true, corev1.PodUnknown: true, corev1.PodSucceeded: false, corev1.PodFailed: false,
	} {
		p := pod("a", "b", "n")
		p.Status.Phase = phase
		assert.Equal(t, want, OnNetwork(p), phase)
	}
}

func TestWatchTrimsAndTells(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	big := pod("a", "b", "n")
	big.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	big.Annotations = map[string]string{ConfigHash: "1", "else": "2", "woven.network/x": "3"}
	big.Spec.Containers = []corev1.Container{
		{Name: "app", Image: "image", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}}, {Name: "side", Image: "image"},
	}
	client := fake.NewClientset(big, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}})

	var mu sync.Mutex
	var got []Change
	arrived := make(chan struct{}, 10)
	view, err := Watch(ctx, client, func(c Change) {
		mu.Lock()
		got = append(got, c)
		mu.Unlock()
		arrived <- struct{}{}
	})
	require.NoError(t, err)
	stored := view.Pod("a", "b")
	assert.Nil(t, stored.ManagedFields)
	assert.Equal(t, map[string]string{ConfigHash: "1", "woven.network/x": "3"}, stored.Annotations)
	assert.Equal(t, []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}}}, stored.Spec.Containers)
	assert.NotNil(t, view.Namespace("a"))
	assert.Len(t, view.PodsOn("n"), 1)
	assert.Empty(t, arrived, "what was there is in the View, and not told")

	require.NoError(t, client.CoreV1().Pods("a").Delete(ctx, "b", metav1.DeleteOptions{}))
	<-arrived
	mu.Lock()
	last := got[len(got)-1]
	mu.Unlock()
	assert.Nil(t, last.New)
	before, after, ok := As[*corev1.Pod](last)
	assert.True(t, ok)
	assert.Nil(t, after)
	assert.Equal(t, "b", before.Name)
	assert.Nil(t, view.Pod("a", "b"))
}
