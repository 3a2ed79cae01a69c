//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// victim is a container of one of Woven's workloads, on every node that the workload runs on.
type victim struct {
	workload, container string
}

// testKilled kills, with SIGKILL, each process of the control side on all nodes, then all of them at once. Between
// pods on different nodes pings every 10 ms and TCP streams go on and lose not one packet; pods made before, during
// and after run within ten seconds of the return of what was killed.
func testKilled(t *testing.T) {
	ns := newNamespace(t)
	pods := run(t, ns, netexec("from", workers()[0].name), netexec("to", workers()[1].name))
	made := startBirths(t, ns, birthplaces(t)...)
	everything := []victim{
		{"woven-controller", "controller"},
		{"woven-node", "agent"},
		{"woven-ovn-central", "northd"},
		{"woven-ovn-controller", "ovn-controller"},
		{"woven-ovn-central", "northbound"},
		{"woven-ovn-central", "southbound"},
	}
	for _, v := range everything {
		t.Run(v.container, func(t *testing.T) {
			killWhilePackets(t, made, pods, v.all(t)...)
		})
	}
	t.Run("databases", func(t *testing.T) {
		killWhilePackets(t, made, pods, append(everything[4].all(t), everything[5].all(t)...)...)
	})
	t.Run("everything", func(t *testing.T) {
		var all []killing
		for _, v := range everything {
			all = append(all, v.all(t)...)
		}
		killWhilePackets(t, made, pods, all...)
	})
}

// all finds the containers.
func (v victim) all(t *testing.T) []killing {
	t.Helper()
	nodes := cluster.nodes
	if v.workload == "woven-controller" || v.workload == "woven-ovn-central" {
		nodes = []node{controlPlane()}
	}
	var all []killing
	for _, n := range nodes {
		pod := wovenPod(t, v.workload, n.name)
		all = append(all, killing{pod, v.container, containerStatus(t, pod, v.container)})
	}
	return all
}

// killing is a container that is to be killed, as it was before.
type killing struct {
	pod       *corev1.Pod
	container string
	before    corev1.ContainerStatus
}

func killWhilePackets(t *testing.T, made *births, pods []*corev1.Pod, kills ...killing) {
	t.Helper()
	f := startFlows(t, pods[0], pods[1])
	made.awaitRunning(t, time.Now(), 1, podTimeout)
	pids := make([]int, len(kills))
	for i, k := range kills {
		pids[i] = processOf(t, k.before)
	}
	killed := time.Now()
	for _, pid := range pids {
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	}
	var returned time.Time
	for _, k := range kills {
		if at := awaitReturn(t, k); at.After(returned) {
			returned = at
		}
	}
	t.Logf("%d processes killed; the last was back after %s", len(pids), returned.Sub(killed).Round(100*time.Millisecond))
	made.awaitRunning(t, time.Now(), 2, podTimeout)
	made.inTime(t, returned)
	for _, k := range kills {
		awaitPod(t, k.pod.Namespace, k.pod.Name, "Ready", podTimeout, isReady)
	}
	f.lostNothing(t)
}

// awaitReturn waits until a container runs again and returns when it began to, by the runtime's clock, which kubelet
// rounds down to a second.
func awaitReturn(t *testing.T, k killing) time.Time {
	t.Helper()
	var at time.Time
	awaitPod(t, k.pod.Namespace, k.pod.Name, k.container+" running again", podTimeout, func(p *corev1.Pod) bool {
		for _, s := range p.Status.ContainerStatuses {
			if s.Name == k.container && s.ContainerID != k.before.ContainerID && s.State.Running != nil {
				at = s.State.Running.StartedAt.Time
				return true
			}
		}
		return false
	})
	return at
}
