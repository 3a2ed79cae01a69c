//go:build apiserver

package apiserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/test/apiserver"
)

func TestAPIObjectsOutliveTheServer(t *testing.T) {
	s := apiserver.Start(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}}
	_, err := s.Client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	require.NoError(t, err)
	s.Stop()
	_, err = s.Client.CoreV1().Nodes().Get(t.Context(), "a", metav1.GetOptions{})
	require.Error(t, err)
	s.Continue(t)
	_, err = s.Client.CoreV1().Nodes().Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.FileExists(t, s.AuditLog())
}
