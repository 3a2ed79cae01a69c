//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/test/sandbox/machine"
)

// testStaticPod runs a static pod, of which the API knows a mirror only, with a UID that is not the one the runtime
// hands to CNI. It gets addresses and is reached from every node like any other pod.
func testStaticPod(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[1]
	pod := netexec("static", n.name)
	pod.Namespace = ns
	pod.APIVersion, pod.Kind = "v1", "Pod"
	pod.Spec.NodeSelector = nil
	manifest, err := yaml.Marshal(pod)
	require.NoError(t, err)
	const file = "/etc/kubernetes/manifests/e2e-static.yaml"
	t.Cleanup(func() {
		m, _ := machine.Find(n.name)
		if err := m.Run("rm", "-f", file); err != nil {
			t.Error(err)
			return
		}
		// The mirror must be gone before its namespace, or kubelet makes it anew there.
		err := wait.PollUntilContextTimeout(context.Background(), 200*time.Millisecond, podTimeout, true, func(ctx context.Context) (bool, error) {
			list, err := cluster.client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
			return err == nil && len(list.Items) == 0, nil
		})
		if err != nil {
			t.Errorf("the static pod is still there %s after its manifest was removed", podTimeout)
		}
	})
	_, errs, err := commandOn(t, n.name, podTimeout, string(manifest), "sh", "-c", "cat > /etc/kubernetes/.e2e && mv /etc/kubernetes/.e2e "+file)
	require.NoError(t, err, errs)
	mirror := awaitPod(t, ns, "static-"+n.name, "Ready", podTimeout, isReady)
	require.NotEmpty(t, mirror.Annotations["kubernetes.io/config.hash"], "a mirror pod has its static pod's hash")
	for _, from := range cluster.nodes {
		for _, a := range addresses(t, mirror) {
			seen, _ := askUntil(t, from.place(t), "tcp", netip.AddrPortFrom(a, httpPort), 10*time.Second, func(answer) bool { return true })
			assert.Equal(t, mirror.Name, seen.server)
			t.Logf("%s -> static pod %s: %s", from.name, a, seen.took.Round(10*time.Microsecond))
		}
	}
}
