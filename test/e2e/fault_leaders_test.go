//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// testPausedLeader stops the leading controller in the middle of its work (SIGSTOP), lets another take over, and wakes
// the first. While pods are made and deleted all the time, an independent monitor of the Northbound database must see
// one writer only: each pod's port appears once and goes once.
func testPausedLeader(t *testing.T) {
	ns := newNamespace(t)
	leader := wovenPod(t, "woven-controller", "")
	rival := newRival(t, leader, workers()[0])
	m := watchNorthbound(t)
	first := m.count()
	made := startBirths(t, ns, cluster.nodes...)
	made.awaitRunning(t, time.Now(), 3, podTimeout)
	awaitProbe(t, leader)
	pid := processOf(t, containerStatus(t, leader, "controller"))
	require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
	t.Cleanup(func() { _ = unix.Kill(pid, unix.SIGCONT) })
	paused := time.Now()
	awaitHolder(t, identityOf(rival))
	t.Logf("another controller held the lease %s after the pause", time.Since(paused).Round(time.Millisecond))
	made.awaitRunning(t, time.Now(), 3, podTimeout)
	require.NoError(t, unix.Kill(pid, unix.SIGCONT))
	woken := time.Now()
	made.awaitRunning(t, woken, 5, podTimeout)
	assertHolder(t, identityOf(rival))

	t.Run("lease-stolen", func(t *testing.T) {
		stolen := time.Now()
		stealLease(t, "somebody-else")
		made.awaitRunning(t, stolen, 5, podTimeout)
		t.Logf("five more pods ran %s after somebody took the lease by hand", time.Since(stolen).Round(time.Millisecond))
	})
	made.end()
	made.awaitRunning(t, time.Now(), 0, podTimeout)
	awaitEmpty(t, ns)
	m.await(t, "the end of the pods' ports", 30*time.Second, func(rows map[nbKey]nbRow) bool {
		for k, r := range rows {
			if k.table == "Logical_Switch_Port" && strings.HasPrefix(r.name(), ns+"/") {
				return false
			}
		}
		return true
	})
	assertWrittenOnce(t, m.since(first), ns)
}

// awaitProbe waits until kubelet has seen the controller alive since its container's start. kubelet counts failed liveness probes
// beyond the start of a container: one that met the container before, which a test has killed, and two of a paused process
// are the three at which it kills. It tells nobody of a probe that succeeds, but when the first was due.
func awaitProbe(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	running := containerStatus(t, pod, "controller").State.Running
	require.NotNil(t, running, "the controller runs")
	probe := pod.Spec.Containers[0].LivenessProbe
	require.NotNil(t, probe)
	due := time.Duration(probe.InitialDelaySeconds+probe.PeriodSeconds+probe.TimeoutSeconds) * time.Second
	time.Sleep(time.Until(running.StartedAt.Add(due)))
}

// newRival runs a second controller on another node, as a Deployment with two replicas would.
func newRival(t *testing.T, model *corev1.Pod, on node) *corev1.Pod {
	t.Helper()
	spec := *model.Spec.DeepCopy()
	spec.NodeName, spec.NodeSelector = on.name, nil
	// Mounted by the API server for each pod anew.
	isToken := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	var volumes []corev1.Volume
	for _, v := range spec.Volumes {
		if !isToken(v.Name) {
			volumes = append(volumes, v)
		}
	}
	spec.Volumes = volumes
	var mounts []corev1.VolumeMount
	for _, v := range spec.Containers[0].VolumeMounts {
		if !isToken(v.Name) {
			mounts = append(mounts, v)
		}
	}
	spec.Containers[0].VolumeMounts = mounts
	pod, err := cluster.client.CoreV1().Pods(system).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "woven-controller-rival-"}, Spec: spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { removeRival(t, pod) })
	return awaitPod(t, system, pod.Name, "Ready", podTimeout, isReady)
}

// removeRival ends the second controller and waits until one of the Deployment's leads.
func removeRival(t *testing.T, rival *corev1.Pod) {
	ctx, cancel := context.WithTimeout(context.Background(), podTimeout)
	defer cancel()
	if err := cluster.client.CoreV1().Pods(system).Delete(ctx, rival.Name, metav1.DeleteOptions{}); err != nil {
		t.Errorf("remove %s: %v", rival.Name, err)
		return
	}
	for ctx.Err() == nil {
		list, err := cluster.client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=woven-controller"})
		lease, failed := cluster.client.CoordinationV1().Leases(system).Get(ctx, "woven-controller", metav1.GetOptions{})
		if err == nil && failed == nil && lease.Spec.HolderIdentity != nil {
			for _, pod := range list.Items {
				if identityOf(&pod) == *lease.Spec.HolderIdentity {
					return
				}
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("no controller of the Deployment leads after %s was removed", rival.Name)
}

// identityOf returns how a controller calls itself in the Lease.
func identityOf(pod *corev1.Pod) string { return pod.Name + "_" + string(pod.UID) }

func holder(t *testing.T) string {
	t.Helper()
	lease, err := cluster.client.CoordinationV1().Leases(system).Get(t.Context(), "woven-controller", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotNil(t, lease.Spec.HolderIdentity)
	return *lease.Spec.HolderIdentity
}

func awaitHolder(t *testing.T, want string) {
	t.Helper()
	require.Eventuallyf(t, func() bool { return holder(t) == want }, podTimeout, 100*time.Millisecond, "the lease is not held by %s", want)
}

func assertHolder(t *testing.T, want string) {
	t.Helper()
	assert.Equal(t, want, holder(t), "holder of the lease")
}

// stealLease gives the lease to somebody who does not exist, as a person might, or a broken controller of old.
func stealLease(t *testing.T, by string) {
	t.Helper()
	leases := cluster.client.CoordinationV1().Leases(system)
	require.NoError(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		lease, err := leases.Get(t.Context(), "woven-controller", metav1.GetOptions{})
		if err != nil {
			return err
		}
		now := metav1.NowMicro()
		lease.Spec.HolderIdentity, lease.Spec.RenewTime = &by, &now
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err
	}))
}

// assertWrittenOnce asserts that the port of each pod was inserted once and deleted once: a second writer, whose
// knowledge is older, would bring back what is gone or take away what is new.
func assertWrittenOnce(t *testing.T, changes []nbChange, ns string) {
	t.Helper()
	inserted, deleted := map[string]int{}, map[string]int{}
	for _, c := range changes {
		if c.table != "Logical_Switch_Port" || !strings.HasPrefix(c.row.name(), ns+"/") {
			continue
		}
		switch c.action {
		case "insert":
			inserted[c.row.name()]++
		case "delete":
			deleted[c.row.name()]++
		}
	}
	require.NotEmpty(t, inserted, "ports that the monitor saw")
	var often []string
	for port, n := range inserted {
		if n != 1 || deleted[port] != 1 {
			often = append(often, fmt.Sprintf("%s: inserted %d times, deleted %d times", port, n, deleted[port]))
		}
	}
	assert.Empty(t, often, "ports that more than one wrote")
	t.Logf("%d ports, each inserted once and deleted once", len(inserted))
}
