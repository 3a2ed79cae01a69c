//go:build apiserver

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
)

// Any user who may make pods can write any text into an annotation that ends up in a row: the API server takes it. Such a
// pod harms itself alone.
func testAnnotationOfAnyText(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	bad := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "bad", Annotations: map[string]string{kube.ConfigHash: "a\x00b"}},
		Spec:       corev1.PodSpec{NodeName: "a", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	_, err := l.api.CoreV1().Pods("default").Create(l.Context(), bad, metav1.CreateOptions{})
	require.NoError(l, err)
	l.pod("good", "a")
	l.port("default/good", "10.244.1.")
	l.noPort("default/bad")
}

// The API server and etcd go away and come back. Less than the time a leader may fail to renew its lease: it goes on.
func testServerAway(t *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	l.pod("before", "a")
	l.port("default/before", "")
	l.server.Stop()
	// What it knows it keeps in accord meanwhile.
	remove, err := l.northbound.WhereCache(func(p *nb.LogicalSwitch) bool { return p.Name == "a" }).Delete()
	require.NoError(l, err)
	_, err = l.northbound.Transact(l.Context(), remove...)
	require.NoError(l, err)
	l.port("default/before", "10.244.1.3")
	l.server.Continue(t)
	l.pod("after", "a")
	l.port("default/after", "")
}
