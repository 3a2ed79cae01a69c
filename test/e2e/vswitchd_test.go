//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// testVswitchdRestart kills ovs-vswitchd, and then deletes the pod that it runs in, as an administrator does who updates
// Open vSwitch on a node. In userspace the packets stop with it and br-ex, with the node's addresses, vanishes; what
// was there is back as soon as Open vSwitch is, and the node's kubelet hears of the new pod meanwhile.
func testVswitchdRestart(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[1]
	pods := run(t, ns, netexec("here", n.name), netexec("there", workers()[0].name))
	acts := []struct {
		name string
		act  func(t *testing.T)
	}{
		{"dies", func(t *testing.T) { killContainer(t, wovenPod(t, "woven-ovs", n.name), "vswitchd") }},
		{"pod-replaced", func(t *testing.T) {
			replacePod(t, "woven-ovs", n.name)
			checkRestored(t, n)
		}},
	}
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			streams := startStreams(t, n, pods[0], pods[1])
			addressesBefore, routesBefore := addressesOf(t, n), routesOf(t, n)
			start := time.Now()
			a.act(t)
			ready := time.Now()
			t.Logf("Open vSwitch was ready again after %s", ready.Sub(start).Round(time.Millisecond))
			for name, s := range streams {
				awaitReply(t, name, s, ready, time.Minute)
			}
			t.Logf("all ways were open again after %s", time.Since(start).Round(time.Millisecond))
			for name, r := range finishAll(streams) {
				t.Logf("%-24s %s", name, r)
			}
			assert.Equal(t, addressesBefore, addressesOf(t, n), "addresses of %s", n.name)
			assert.Equal(t, routesBefore, routesOf(t, n), "routes of %s", n.name)
			fresh := run(t, ns, netexec("fresh-"+a.name, n.name))[0]
			for _, to := range append(addresses(t, pods[0]), addresses(t, fresh)...) {
				askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 20*time.Second, func(answer) bool { return true })
			}
		})
	}
}

// checkRestored asserts that an ovs-vswitchd that was just started has been given the flows of its predecessor, without
// an error and without anything left of that.
func checkRestored(t *testing.T, n node) {
	t.Helper()
	pod := wovenPod(t, "woven-ovs", n.name)
	require.Eventually(t, func() bool {
		return !strings.Contains(vsctl(t, n.name, "get", "Open_vSwitch", ".", "other_config"), "flow-restore-wait")
	}, 30*time.Second, 100*time.Millisecond, "flow-restore-wait is still set")
	log, err := cluster.client.CoreV1().Pods(system).GetLogs(pod.Name, &corev1.PodLogOptions{Container: "vswitchd"}).DoRaw(t.Context())
	require.NoError(t, err)
	// ovs-vswitchd sums up what each connection has changed.
	assert.Regexp(t, `connmgr\|INFO\|br-int<->unix#\d+: \d{3,} flow_mods in the last 0 s \(\d+ adds\)`, string(log), "flows given to br-int at once")
	assert.NotContains(t, string(log), "ovs-ofctl:")
	assert.NotContains(t, string(log), "could not be restored")
	for _, bridge := range []string{"br-int", "br-ex"} {
		// A flow that ovs-ofctl writes and cannot read, as one with a mask /8000::, would stop the next restoration.
		execInContainer(t, pod, "vswitchd", "sh", "-ec", "ovs-ofctl -O OpenFlow14 dump-flows --no-names --no-stats "+bridge+" | sed 1d | ovs-ofctl -O OpenFlow14 parse-flows -")
	}
}
