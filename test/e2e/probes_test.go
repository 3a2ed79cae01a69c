//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
)

// probePeriods is how many HTTP liveness probes must have succeeded before the test looks at the restarts of all
// pods. All have the same period of a second.
const probePeriods = 8

// testProbes runs pods whose readiness and liveness are probed by HTTP, TCP, exec and gRPC, on every node. They must
// become Ready, and then stay so without one restart over several periods.
func testProbes(t *testing.T) {
	ns := newNamespace(t)
	handlers := map[string]corev1.ProbeHandler{
		"http": {HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt(httpPort)}},
		"tcp":  {TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt(httpPort)}},
		"exec": {Exec: &corev1.ExecAction{Command: []string{"cat", "/etc/hostname"}}},
		"grpc": {GRPC: &corev1.GRPCAction{Port: grpcPort}},
	}
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		for name, handler := range handlers {
			pods = append(pods, netexec(name+"-"+n.name, n.name, probed(handler)))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	unready := watchReadiness(ctx, t, ns)
	start := time.Now()
	ready := run(t, ns, pods...)
	t.Logf("%d pods are Ready after %s", len(ready), time.Since(start).Round(time.Millisecond))
	var group sync.WaitGroup
	for _, pod := range ready {
		if strings.HasPrefix(pod.Name, "http-") {
			group.Go(func() { assert.NoError(t, awaitProbes(ctx, pod, probePeriods), "probes of %s", pod.Name) })
		}
	}
	group.Wait()
	list, err := cluster.client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, pod := range list.Items {
		assert.Truef(t, isReady(&pod), "%s is not Ready: %s", pod.Name, explain(&pod))
		assert.Zerof(t, pod.Status.ContainerStatuses[0].RestartCount, "restarts of %s\n%s", pod.Name, events(ns, pod.Name))
	}
	cancel()
	assert.Empty(t, <-unready, "pods that were Ready and then were not")
}

// grpcPort is agnhost's grpc-health-checking.
const grpcPort = 5000

// probed gives a pod the probe as its readiness and liveness, once a second.
func probed(handler corev1.ProbeHandler) podOption {
	return func(pod *corev1.Pod) {
		c := &pod.Spec.Containers[0]
		if handler.GRPC != nil {
			c.Args = []string{"grpc-health-checking"}
		}
		// A timeout of more than the period's second: the nodes of the sandbox share two processors.
		probe := corev1.Probe{ProbeHandler: handler, PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 1}
		c.ReadinessProbe, c.LivenessProbe = probe.DeepCopy(), probe.DeepCopy()
		// The server may not listen yet when the first probe comes; only afterwards a failure is one.
		probe.FailureThreshold = 30
		c.StartupProbe = probe.DeepCopy()
	}
}

// awaitProbes follows a netexec pod's log until that many HTTP probes reached it.
func awaitProbes(ctx context.Context, pod *corev1.Pod, n int) error {
	logs, err := cluster.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return err
	}
	defer logs.Close()
	lines := bufio.NewScanner(logs)
	for n > 0 && lines.Scan() {
		if strings.Contains(lines.Text(), "GET /healthz") {
			n--
		}
	}
	if n > 0 {
		return context.Cause(ctx)
	}
	return lines.Err()
}

// watchReadiness notes until the context ends which pods lost their readiness, and then sends their names.
func watchReadiness(ctx context.Context, t *testing.T, namespace string) <-chan []string {
	t.Helper()
	list, err := cluster.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	events, err := cluster.client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{
		ResourceVersion: list.ResourceVersion, FieldSelector: fields.Everything().String(),
	})
	require.NoError(t, err)
	result := make(chan []string, 1)
	go func() {
		defer events.Stop()
		was := map[string]bool{}
		var lost []string
		for e := range events.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok || e.Type == watch.Deleted {
				continue
			}
			now := isReady(pod)
			if was[pod.Name] && !now {
				lost = append(lost, pod.Name)
			}
			was[pod.Name] = now
		}
		result <- lost
	}()
	return result
}
