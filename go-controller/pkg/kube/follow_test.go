package kube_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/kube/kubetest"
)

func TestWatchTrimsAndTells(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	big := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Spec: corev1.PodSpec{NodeName: "n"}}
	big.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	annotations := map[string]string{"else": "2", "woven.network/x": "3"}
	big.Spec.Containers = []corev1.Container{
		{Name: "app", Image: "image", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}}, {Name: "side", Image: "image"},
	}
	client := fake.NewClientset(big, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", ManagedFields: big.ManagedFields, Annotations: annotations}})

	var mu sync.Mutex
	var got []kube.Change
	arrived := make(chan struct{}, 10)
	view, err := kube.Watch(ctx, kubetest.Client(client), func(c kube.Change) {
		mu.Lock()
		got = append(got, c)
		mu.Unlock()
		arrived <- struct{}{}
	})
	require.NoError(t, err)
	assert.Equal(t, kube.NewPod(big), view.Pod("a", "b"))
	assert.Nil(t, view.Namespace("a").ManagedFields)
	assert.Equal(t, map[string]string{"woven.network/x": "3"}, view.Namespace("a").Annotations)
	assert.Len(t, view.PodsOn("n"), 1)
	assert.Empty(t, arrived, "what was there is in the View, and not told")

	require.NoError(t, client.CoreV1().Pods("a").Delete(ctx, "b", metav1.DeleteOptions{}))
	<-arrived
	mu.Lock()
	last := got[len(got)-1]
	mu.Unlock()
	assert.Nil(t, last.New)
	before, after, ok := kube.As[*kube.Pod](last)
	assert.True(t, ok)
	assert.Nil(t, after)
	assert.Equal(t, "b", before.Name)
	assert.Nil(t, view.Pod("a", "b"))
}
