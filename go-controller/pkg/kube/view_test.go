package kube

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
