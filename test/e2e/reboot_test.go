//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// testReboot kills a node with all its processes and network devices and starts it anew: /run is empty, the NIC has its
// addresses on itself, and Open vSwitch's database tells of bridges and ports as they were. The pods that were on
// the node come back, with addresses, and so does the way to the node.
func testReboot(t *testing.T) {
	ns := newNamespace(t)
	n, other := workers()[1], workers()[0]
	pods := run(t, ns, netexec("rebooted", n.name), netexec("witness", other.name))
	witness := podPlace(t, pods[1])
	addressesBefore, routesBefore := addressesOf(t, n), routesOf(t, n)

	start := time.Now()
	require.NoError(t, machine.Kill(n.name))
	makeSandbox(t, "up")
	t.Logf("the sandbox was complete again %s after the node's death", time.Since(start).Round(time.Millisecond))
	awaitWorkload(t, "woven-node", n.name, nil)
	pod := awaitPod(t, ns, "rebooted", "Ready with a new container", 2*podTimeout, func(p *corev1.Pod) bool {
		return isReady(p) && p.Status.ContainerStatuses[0].RestartCount > 0 && p.Status.ContainerStatuses[0].State.Running != nil
	})
	t.Logf("the pod was Ready again %s after the node's death", time.Since(start).Round(time.Millisecond))
	for _, to := range addresses(t, pod) {
		askUntil(t, witness, "tcp", netip.AddrPortFrom(to, httpPort), 30*time.Second, func(answer) bool { return true })
		askUntil(t, n.place(t), "udp", netip.AddrPortFrom(to, udpPort), 30*time.Second, func(answer) bool { return true })
	}
	external := machinePlace(t, plan.External)
	for _, to := range n.ips {
		// The external host may have found nobody there while the node was away, and asks again in its own time.
		p := newPinger(t, external, to, 56)
		err := wait.PollUntilContextTimeout(t.Context(), pingInterval, time.Minute, true, func(context.Context) (bool, error) {
			lost, _, err := p.flood(1)
			return lost == 0, err
		})
		require.NoErrorf(t, err, "external -> %s", to)
		lost, _, err := p.flood(100)
		require.NoError(t, err)
		assert.Zerof(t, lost, "external -> %s: pings lost of 100", to)
	}
	assert.Equal(t, addressesBefore, addressesOf(t, n), "addresses of %s", n.name)
	assert.Equal(t, routesBefore, routesOf(t, n), "routes of %s", n.name)
	t.Logf("everything works %s after the node's death", time.Since(start).Round(time.Millisecond))
}
