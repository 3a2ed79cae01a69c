//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/woven-network/woven/test/sandbox/fabric"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// testUninstall removes Woven from a node as an administrator does and lets the DaemonSet set it up again. The NIC has
// its addresses and routes back in between, nothing of Woven's is left, and a TCP connection from outside to the
// node's address, as an ssh session is one, lives through both moves of the NIC.
func testUninstall(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[1]
	external := machinePlace(t, plan.External)
	v4, _ := of(n.ips, families()[0])
	session := startTCP(t, external, n.place(t), v4)
	var streams []*stream
	for _, ip := range n.ips {
		streams = append(streams, startStream(t, external, ip, pingInterval))
	}
	addressesBefore, routesBefore := addressesOf(t, n), routesOf(t, n)

	agent := wovenPod(t, "woven-node", n.name)
	start := time.Now()
	out := execInContainer(t, agent, "agent", "woven-node", "uninstall")
	t.Logf("uninstalled after %s: %s", time.Since(start).Round(time.Millisecond), strings.TrimSpace(out))
	checkBareNode(t, n)

	start = time.Now()
	replacePod(t, "woven-node", n.name)
	t.Logf("set up again after %s", time.Since(start).Round(time.Millisecond))
	assert.Equal(t, addressesBefore, addressesOf(t, n), "addresses after setting up again")
	assert.Equal(t, routesBefore, routesOf(t, n), "routes after setting up again")
	session.finish(t)
	for _, s := range streams {
		r := s.finish()
		t.Logf("external -> %s: %s", s.to, r)
		// A move is one step of the kernel's; what is lost on the way of the NIC into the bridge is a matter of
		// milliseconds, and of seconds when a neighbour has to be found again.
		assert.Lessf(t, r.gap, 3*time.Second, "external -> %s", s.to)
	}
	pods := run(t, ns, netexec("again", n.name), netexec("peer", workers()[0].name))
	for _, to := range addresses(t, pods[0]) {
		askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 20*time.Second, func(answer) bool { return true })
	}
}

// checkBareNode asserts that a node is as it was before Woven: addresses and default routes on the NIC, and no bridge,
// rule, route, flow or network configuration of Woven's.
func checkBareNode(t *testing.T, n node) {
	t.Helper()
	var want []string
	sandbox := sandboxPlan(t)
	for _, m := range sandbox.Nodes {
		if m.Name == n.name {
			for _, a := range m.Addresses {
				want = append(want, fabric.NIC+" "+a.String())
			}
		}
	}
	slices.Sort(want)
	got := slices.DeleteFunc(addressesOf(t, n), func(a string) bool { return strings.HasPrefix(a, "lo ") })
	assert.Equal(t, want, onlyNIC(got), "addresses of the node")
	routes := strings.Join(routesOf(t, n), "\n")
	for _, gw := range sandbox.Gateway {
		assert.Containsf(t, routes, fmt.Sprintf("default via %s dev %s", gw.Addr(), fabric.NIC), "routes of the node")
	}
	for _, gone := range []string{"br-ex", "ovn0"} {
		assert.NotContains(t, routes, gone, "routes of the node")
	}
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(n.run(t, "ip", family, "rule")) {
			assert.Regexp(t, `^(0|32766|32767):\s+from all lookup (local|main|default)\s*$`, line, "policy rules")
		}
		assert.Empty(t, strings.TrimSpace(n.run(t, "sh", "-c", "ip "+family+" route show table 8787 2>/dev/null || true")), "routes in Woven's table")
	}
	links := n.run(t, "ip", "-brief", "link")
	for _, gone := range []string{"br-ex", "br-int", "ovn0"} {
		assert.NotContains(t, links, gone, "links of the node")
	}
	assert.Empty(t, strings.TrimSpace(vsctl(t, n.name, "list-br")), "bridges of Open vSwitch")
	assert.Empty(t, strings.TrimSpace(n.run(t, "sh", "-c", "ls /etc/cni/net.d | grep -i woven || true")), "CNI configurations")
	tc := n.run(t, "tc", "qdisc", "show", "dev", fabric.NIC)
	assert.NotContains(t, tc, "clsact", "traffic control on the NIC")
	assert.NotContains(t, tc, "ingress", "traffic control on the NIC")
}

// onlyNIC leaves out addresses of links that uninstall has nothing to do with; Woven's own are not among them.
func onlyNIC(addrs []string) []string {
	return slices.DeleteFunc(addrs, func(a string) bool {
		return !strings.HasPrefix(a, fabric.NIC+" ") && !strings.HasPrefix(a, "br-") && !strings.HasPrefix(a, "ovn")
	})
}
