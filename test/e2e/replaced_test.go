//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/plan"
)

// testReplaced ends a worker for good, disks and all, and brings up another machine of the same name with other
// addresses; the Node object stays, and so do its pods, which the new kubelet starts anew. They keep their addresses and
// are reached from everywhere, nothing speaks of the old machine's addresses any more, and who talks elsewhere
// meanwhile loses nothing.
func testReplaced(t *testing.T) {
	ns := newNamespace(t)
	old := workers()[1]
	pods := run(t, ns, netexec("replaced", old.name), netexec("witness", workers()[0].name), netexec("elsewhere", controlPlane().name))
	container := pods[0].Status.ContainerStatuses[0].ContainerID
	untouched := startFlows(t, pods[1], pods[2])

	host := 52
	if last := old.ips[0].AsSlice(); int(last[len(last)-1]) == host {
		host = 62
	}
	start := time.Now()
	makeSandbox(t, "replace", "NODE="+old.name, fmt.Sprintf("HOST=%d", host))
	t.Logf("another machine was up %s after the old one's death", time.Since(start).Round(time.Millisecond))
	pod := awaitPod(t, ns, pods[0].Name, "Ready with a new container", 2*podTimeout, func(p *corev1.Pod) bool {
		return isReady(p) && p.Status.ContainerStatuses[0].ContainerID != container
	})
	t.Logf("its pod was Ready again after %s", time.Since(start).Round(time.Millisecond))
	require.NoError(t, findCluster())
	n := workers()[1]
	require.Equal(t, old.name, n.name)
	for _, ip := range n.ips {
		require.NotContains(t, old.ips, ip, "addresses of the new machine")
	}
	assert.Equal(t, pods[0].Status.PodIPs, pod.Status.PodIPs, "addresses of a pod whose node was replaced")

	for _, from := range append([]place{podPlace(t, pods[1]), podPlace(t, pods[2])}, nodePlaces(t)...) {
		for _, to := range addresses(t, pod) {
			askUntil(t, from, "tcp", netip.AddrPortFrom(to, httpPort), 30*time.Second, func(answer) bool { return true })
			askUntil(t, from, "udp", netip.AddrPortFrom(to, udpPort), 30*time.Second, func(answer) bool { return true })
		}
	}
	for _, to := range n.ips {
		s := startStream(t, machinePlace(t, plan.External), to, pingInterval)
		awaitReply(t, "external -> "+to.String(), s, time.Now(), 30*time.Second)
		s.finish()
	}
	for _, to := range addresses(t, pods[1]) {
		askUntil(t, podPlace(t, pod), "tcp", netip.AddrPortFrom(to, httpPort), 30*time.Second, func(answer) bool { return true })
	}
	t.Logf("everything works %s after the old machine's death", time.Since(start).Round(time.Millisecond))
	checkForgotten(t, old.ips)
	untouched.lostNothing(t)
	awaitAllReady(t)
}

func nodePlaces(t *testing.T) []place {
	t.Helper()
	var places []place
	for _, n := range cluster.nodes {
		places = append(places, n.place(t))
	}
	return places
}

// checkForgotten asserts that the central databases, and the nodes' tunnels, name none of the addresses.
func checkForgotten(t *testing.T, ips []netip.Addr) {
	t.Helper()
	for container, database := range map[string]string{"northbound": "OVN_Northbound", "southbound": "OVN_Southbound"} {
		for _, table := range dump(t, container, database) {
			if slices.Contains(learned, table.name()) {
				continue
			}
			for _, row := range table.Data {
				for i, value := range row {
					for _, ip := range ips {
						assert.NotRegexpf(t, `(^|[^0-9a-f:.])`+regexp.QuoteMeta(ip.String())+`($|[^0-9a-f:.])`, string(value), "%s %s: %s", database, table.name(), table.Headings[i])
					}
				}
			}
		}
	}
	for _, n := range cluster.nodes {
		tunnels := vsctl(t, n.name, "--bare", "--columns=options", "find", "Interface", "type=geneve")
		for _, ip := range ips {
			assert.NotRegexpf(t, `remote_ip="?`+regexp.QuoteMeta(ip.String())+`($|[^0-9a-f:.])`, tunnels, "tunnels of %s", n.name)
		}
	}
}
