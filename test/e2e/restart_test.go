//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/plan"
)

// pingInterval is how often a connection is tried while something is being restarted.
const pingInterval = 10 * time.Millisecond

// testRestarts restarts, one after the other, everything that packets must not need: the agent, by its death and by
// a new pod, ovn-controller, northd, the databases and the controller. Pings every 10 ms and an open TCP connection
// lose nothing, and a new pod works afterwards.
func testRestarts(t *testing.T) {
	ns := newNamespace(t)
	n, other := workers()[0], workers()[1]
	pods := run(t, ns, netexec("here", n.name), netexec("there", other.name))
	acts := []struct {
		name string
		act  func(t *testing.T)
	}{
		{"agent-dies", func(t *testing.T) { killContainer(t, wovenPod(t, "woven-node", n.name), "agent") }},
		{"agent-pod-replaced", func(t *testing.T) { replacePod(t, "woven-node", n.name) }},
		{"ovn-controller-dies", func(t *testing.T) { killContainer(t, wovenPod(t, "woven-ovn-controller", n.name), "ovn-controller") }},
		{"ovn-controller-pod-replaced", func(t *testing.T) { replacePod(t, "woven-ovn-controller", n.name) }},
		{"controller-pod-replaced", func(t *testing.T) { replacePod(t, "woven-controller", controlPlane().name) }},
		{"northd-dies", func(t *testing.T) { killContainer(t, wovenPod(t, "woven-ovn-central", ""), "northd") }},
		{"databases-pod-replaced", func(t *testing.T) { replacePod(t, "woven-ovn-central", controlPlane().name) }},
	}
	for i, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			streams := startStreams(t, n, pods[0], pods[1])
			tcp := startTCP(t, podPlace(t, pods[1]), podPlace(t, pods[0]), addresses(t, pods[0])[0])
			queues := queueDrops(t, n, other)
			start := time.Now()
			a.act(t)
			t.Logf("done after %s", time.Since(start).Round(time.Millisecond))
			// Not on the nodes of the streams: in the userspace datapath every link event disturbs a node's tunnels for
			// milliseconds (docs/pipeline-node.md), and here it is the restart that is looked at.
			elsewhere := run(t, ns, netexec(fmt.Sprintf("elsewhere-%d", i), controlPlane().name))[0]
			t.Logf("a pod elsewhere was Ready %s after the act began", time.Since(start).Round(time.Millisecond))
			lost := 0
			for name, r := range finishAll(streams) {
				t.Logf("%-24s %s", name, r)
				lost += r.lost
				assert.Emptyf(t, r.errors, "%s: pings that could not be sent", name)
				assert.Greaterf(t, r.sent, 100, "%s: pings", name)
			}
			dropped := newDrops(queues, queueDrops(t, n, other))
			assert.LessOrEqualf(t, lost, dropped, "pings lost of all streams, and packets that this machine was too slow to take from its queues")
			if dropped > 0 {
				t.Logf("this machine was too slow for %d packets in the queues of the userspace datapath; %d pings were lost", dropped, lost)
			}
			tcp.finish(t)
			fresh := run(t, ns, netexec(fmt.Sprintf("fresh-%d", i), n.name))[0]
			for _, to := range addresses(t, fresh) {
				askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 10*time.Second, func(answer) bool { return true })
			}
			remove(t, fresh)
			remove(t, elsewhere)
		})
	}
}

// startStreams pings along the ways that an act on a node might cut.
func startStreams(t *testing.T, n node, here, there *corev1.Pod) map[string]*stream {
	t.Helper()
	streams := map[string]*stream{}
	for _, v4 := range families() {
		f := familyName(v4)
		to, _ := of(addresses(t, here), v4)
		streams["pod -> pod "+f] = startStream(t, podPlace(t, there), to, pingInterval)
		streams["own node -> pod "+f] = startStream(t, n.place(t), to, pingInterval)
		ip, _ := of(n.ips, v4)
		streams["external -> node "+f] = startStream(t, machinePlace(t, plan.External), ip, pingInterval)
	}
	return streams
}

// replacePod deletes a workload's pod on a node and waits until the one that follows is ready.
func replacePod(t *testing.T, workload, node string) {
	t.Helper()
	old := wovenPod(t, workload, node)
	remove(t, old)
	awaitWorkload(t, workload, node, old)
}

// awaitWorkload waits for a ready pod of a workload on a node, other than the one given.
func awaitWorkload(t *testing.T, workload, node string, old *corev1.Pod) *corev1.Pod {
	t.Helper()
	return awaitMatch(t, "app.kubernetes.io/name="+workload, workload+" on "+node+" is ready", func(p *corev1.Pod) bool {
		return p.Spec.NodeName == node && isReady(p) && (old == nil || p.UID != old.UID)
	})
}

// killContainer kills a container's process with SIGKILL and waits until kubelet has started it again and the pod is
// Ready.
func killContainer(t *testing.T, pod *corev1.Pod, container string) {
	t.Helper()
	before := containerStatus(t, pod, container)
	pid := processOf(t, before)
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	awaitPod(t, pod.Namespace, pod.Name, "Ready after the death of "+container, podTimeout, func(p *corev1.Pod) bool {
		for _, s := range p.Status.ContainerStatuses {
			if s.Name == container {
				return s.RestartCount > before.RestartCount && s.Ready && isReady(p)
			}
		}
		return false
	})
}

func containerStatus(t *testing.T, pod *corev1.Pod, container string) corev1.ContainerStatus {
	t.Helper()
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container {
			return s
		}
	}
	require.Failf(t, "no container", "%s in pod %s", container, pod.Name)
	return corev1.ContainerStatus{}
}

// processOf is a container's first process, which is process 1 inside, as this machine numbers it.
func processOf(t *testing.T, s corev1.ContainerStatus) int {
	t.Helper()
	_, id, _ := strings.Cut(s.ContainerID, "://")
	require.NotEmptyf(t, id, "%s has no running container", s.Name)
	for _, pid := range processesIn(t, id) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "NSpid:" && f[len(f)-1] == "1" {
				return pid
			}
		}
	}
	require.Failf(t, "no process", "no process of container %s (%s) is visible on this machine", s.Name, id)
	return 0
}

// processesIn are the processes whose cgroup bears the container's ID.
func processesIn(t *testing.T, id string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/cgroup")
		if err == nil && strings.Contains(string(text), id) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// heartbeat is a TCP connection over which a number goes to and fro at an interval.
type heartbeat struct {
	what string
	stop context.CancelFunc
	// result is the number of beats and what ended them.
	result chan error
	beats  int
	// slowest is the longest that a beat took.
	slowest time.Duration
}

// heartbeatPort is where the echo side of heartbeats listens.
const heartbeatPort = 28096

// startTCP connects two places and keeps the connection beating until it is finished.
func startTCP(t *testing.T, from, at place, address netip.Addr) *heartbeat {
	t.Helper()
	to := netip.AddrPortFrom(address, heartbeatPort).String()
	l, err := at.listen(to)
	require.NoErrorf(t, err, "%s", at.name)
	t.Cleanup(func() { shut(l) })
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer shut(c)
			io.Copy(c, c) //nolint:errcheck // the other side tells
		}
	}()
	c, err := from.dial(t.Context(), "tcp", to)
	require.NoErrorf(t, err, "%s -> %s", from.name, to)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	h := &heartbeat{what: from.name + " -> " + to, stop: cancel, result: make(chan error, 1)}
	go func() {
		defer shut(c)
		h.result <- h.beat(ctx, c)
	}()
	return h
}

func (h *heartbeat) beat(ctx context.Context, c net.Conn) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	buffer := make([]byte, 8)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		start := time.Now()
		if err := c.SetDeadline(start.Add(2 * time.Minute)); err != nil {
			return err
		}
		want := fmt.Sprintf("%08d", h.beats%100000000)
		if _, err := c.Write([]byte(want)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, buffer); err != nil {
			return err
		}
		if string(buffer) != want {
			return fmt.Errorf("%s came back as %s", want, buffer)
		}
		h.beats++
		h.slowest = max(h.slowest, time.Since(start))
	}
}

// finish ends the connection and asserts that it lived until now.
func (h *heartbeat) finish(t *testing.T) {
	t.Helper()
	h.stop()
	select {
	case err := <-h.result:
		assert.NoErrorf(t, err, "the TCP connection %s broke after %d beats", h.what, h.beats)
	case <-time.After(2 * time.Minute):
		assert.Failf(t, "timeout", "the TCP connection %s hangs", h.what)
		return
	}
	assert.NotZero(t, h.beats)
	t.Logf("TCP %s: %d beats, the slowest took %s", h.what, h.beats, h.slowest.Round(100*time.Microsecond))
}
