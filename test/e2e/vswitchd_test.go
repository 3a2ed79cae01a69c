//go:build e2e

package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
		{"pod-replaced", func(t *testing.T) { replacePod(t, "woven-ovs", n.name) }},
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
