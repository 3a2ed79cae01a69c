//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// outage is how long something is away: longer than a leader's lease, a node's lease and the backoff of clients take
// to run out.
const outage = time.Minute

// testAPIServerStopped stops kube-apiserver while packets flow and pods are made. No packet is lost; pods come to run
// again soon after its return.
func testAPIServerStopped(t *testing.T) { testServiceStopped(t, "kube-apiserver") }

// testEtcdStopped stops etcd: kube-apiserver goes on answering, but cannot read or write.
func testEtcdStopped(t *testing.T) { testServiceStopped(t, "etcd") }

func testServiceStopped(t *testing.T, service string) {
	ns := newNamespace(t)
	pods := run(t, ns, netexec("from", workers()[0].name), netexec("to", workers()[1].name))
	m := watchNorthbound(t)
	f := startFlows(t, pods[0], pods[1])
	controller := containerStatus(t, wovenPod(t, "woven-controller", ""), "controller")
	host, ok := machine.Find(plan.ControlPlane)
	require.True(t, ok)
	stopped, err := host.StopService(service)
	require.NoError(t, err)
	start := func() error { return host.StartService(stopped) }
	t.Cleanup(func() { _ = start() }) // when the test ended before it did so itself
	// An API server that is told to stop first takes itself out of the Service "kubernetes"; that is written. What is
	// seen from here on comes of its absence.
	before := m.count()
	time.Sleep(outage)
	assert.Emptyf(t, m.since(before), "the Northbound database changed while %s was away", service)
	started := time.Now()
	require.NoError(t, start())
	returned := awaitAPI(t)
	t.Logf("%s was away for %s; the API server answered %s after its start", service, outage, returned.Sub(started).Round(time.Millisecond))

	made := startBirths(t, ns, birthplaces(t)...)
	made.awaitRunning(t, returned, 2, 2*podTimeout)
	made.end()
	made.awaitRunning(t, time.Now(), 0, podTimeout)
	made.inTime(t, returned)
	f.lostNothing(t)
	awaitAllReady(t)
	after := containerStatus(t, wovenPod(t, "woven-controller", ""), "controller")
	assert.Equal(t, controller.RestartCount, after.RestartCount, "a controller that cannot reach the API server waits for it")
}

// awaitAPI waits until the API server takes a write and answers for all that Woven reads, and returns the time. It reads
// each kind of object anew from an etcd that comes back, one up to half a minute after another.
func awaitAPI(t *testing.T) time.Time {
	t.Helper()
	core, one := cluster.client.CoreV1(), metav1.ListOptions{Limit: 1}
	answers := map[string]func(context.Context) error{
		"a write": func(ctx context.Context) error {
			_, err := core.ConfigMaps(system).Patch(ctx, "woven-config", "application/merge-patch+json", []byte(`{}`), metav1.PatchOptions{})
			return err
		},
		"leases": func(ctx context.Context) error {
			_, err := cluster.client.CoordinationV1().Leases(system).Get(ctx, "woven-controller", metav1.GetOptions{})
			return err
		},
		"nodes":    func(ctx context.Context) error { _, err := core.Nodes().List(ctx, one); return err },
		"pods":     func(ctx context.Context) error { _, err := core.Pods(system).List(ctx, one); return err },
		"services": func(ctx context.Context) error { _, err := core.Services(system).List(ctx, one); return err },
		"endpointslices": func(ctx context.Context) error {
			_, err := cluster.client.DiscoveryV1().EndpointSlices(system).List(ctx, one)
			return err
		},
	}
	for what, answer := range answers {
		require.EventuallyWithTf(t, func(c *assert.CollectT) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			require.NoError(c, answer(ctx))
		}, 2*podTimeout, 100*time.Millisecond, "an API server that answers for %s", what)
	}
	return time.Now()
}

// awaitAllReady waits until all nodes and all of Woven's pods are Ready, for the next test.
func awaitAllReady(t *testing.T) {
	t.Helper()
	kubectlWait(t, "wait", "--for=condition=Ready", "nodes", "--all")
	kubectlWait(t, "wait", "--for=condition=Ready", "pods", "--all", "--namespace", system)
}

func kubectlWait(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*podTimeout)
	defer cancel()
	out, err := kubectlCommand(ctx, t, append(args, "--timeout", podTimeout.String())...).CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
}

// testLinkCut pulls the cable of a node. What does not need the cable loses nothing: pods that talk on the node itself,
// pods that talk elsewhere. What needs it goes on when the cable is back, connections included.
func testLinkCut(t *testing.T) {
	ns := newNamespace(t)
	cut, other := workers()[0], workers()[1]
	pods := run(t, ns, netexec("cut-a", cut.name), netexec("cut-b", cut.name), netexec("other-a", other.name), netexec("other-b", controlPlane().name))
	inside := startFlows(t, pods[0], pods[1])
	elsewhere := startFlows(t, pods[2], pods[3])
	across := startFlows(t, pods[0], pods[2])

	cable := func(state string) { runOn(t, plan.Fabric, "ip", "link", "set", cut.name, state) }
	start := time.Now()
	t.Cleanup(func() {
		if host, ok := machine.Find(plan.Fabric); ok {
			_ = host.Run("ip", "link", "set", cut.name, "up")
		}
	})
	cable("down")
	time.Sleep(outage)
	returned := time.Now()
	cable("up")
	for name, s := range across.pings {
		at := awaitReply(t, name, s, returned, time.Minute)
		t.Logf("%s between nodes: answered %s after the cable's return", name, at.Sub(returned).Round(time.Millisecond))
	}
	t.Logf("the cable was out for %s", returned.Sub(start).Round(time.Second))
	// Births on the cut node would disturb its tunnels (birthplaces), and nothing but their time is asked here.
	made := newBirths(t, ns, cut)
	made.make(t.Context(), 0, false)
	made.make(t.Context(), 0, true)
	made.awaitRunning(t, time.Now(), 0, 2*podTimeout)
	made.inTime(t, returned)
	inside.lostNothing(t)
	elsewhere.lostNothing(t)
	lost, _ := across.stop(t)
	assert.NotZero(t, lost, "pings across a cable that is out")
	awaitAllReady(t)
}
