//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// execIn runs a command in a pod's first container and returns its output. The test fails when the command does.
func execIn(t *testing.T, pod *corev1.Pod, argv ...string) string {
	t.Helper()
	return execInContainer(t, pod, "", argv...)
}

// execInContainer is execIn for a container by name.
func execInContainer(t *testing.T, pod *corev1.Pod, container string, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	err := execute(ctx, pod, container, &out, &errs, argv...)
	require.NoErrorf(t, err, "in pod %s/%s: %q: %s%s", pod.Namespace, pod.Name, argv, out.String(), errs.String())
	return out.String()
}

// execute runs a command in a pod until it ends or the context does.
func execute(ctx context.Context, pod *corev1.Pod, container string, out, errs io.Writer, argv ...string) error {
	req := cluster.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: argv, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	e, err := remotecommand.NewWebSocketExecutor(cluster.config, "GET", req.URL().String())
	if err != nil {
		return err
	}
	return e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: out, Stderr: errs})
}

// wovenPod is the running pod of one of Woven's workloads, by its app.kubernetes.io/name, on a node; on any when the
// node's name is empty.
func wovenPod(t *testing.T, workload, node string) *corev1.Pod {
	t.Helper()
	selector := labels.Set{"app.kubernetes.io/name": workload}.String()
	list, err := cluster.client.CoreV1().Pods(system).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	require.NoError(t, err)
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning && (node == "" || pod.Spec.NodeName == node) {
			return &pod
		}
	}
	require.Failf(t, "no pod", "%s has no running pod on node %q", workload, node)
	return nil
}
