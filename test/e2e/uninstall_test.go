//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

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
	t.Cleanup(func() {
		// Were the test to end here, the node would stay without a network.
		policy := metav1.Preconditions{UID: &agent.UID}
		_ = cluster.client.CoreV1().Pods(system).Delete(context.Background(), agent.Name, metav1.DeleteOptions{Preconditions: &policy})
	})
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
	replacePods(t, n)
	pods := run(t, ns, netexec("again", n.name), netexec("peer", workers()[0].name))
	for _, to := range addresses(t, pods[0]) {
		askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 20*time.Second, func(answer) bool { return true })
	}
}

// replacePods deletes the pods that were on the node's pod network when Woven was uninstalled: they have none any more,
// as the manual says. CoreDNS may be one of them.
func replacePods(t *testing.T, n node) {
	t.Helper()
	list, err := cluster.client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.name})
	require.NoError(t, err)
	for _, pod := range list.Items {
		if !pod.Spec.HostNetwork {
			remove(t, &pod)
		}
	}
	awaitAvailable(t, "kube-system", "coredns", 2)
}

// checkBareNode asserts that a node is as it was before Woven. Open vSwitch takes a moment to remove the devices of
// bridges that its database has no more.
func checkBareNode(t *testing.T, n node) {
	t.Helper()
	start := time.Now()
	var wrong []string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		wrong = leftOfWoven(t, n)
		return len(wrong) == 0, nil
	})
	assert.NoErrorf(t, err, "10 s after the uninstall:\n%s", strings.Join(wrong, "\n"))
	t.Logf("the node was bare %s after the uninstall returned", time.Since(start).Round(time.Millisecond))
}

// leftOfWoven says in what a node differs from one without Woven: addresses and default routes on the NIC, and no
// bridge, rule, route, flow or network configuration of Woven's.
func leftOfWoven(t *testing.T, n node) []string {
	t.Helper()
	var wrong []string
	note := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	addrs := addressesOf(t, n)
	routes := strings.Join(routesOf(t, n), "\n")
	sandbox := sandboxPlan(t)
	for _, m := range sandbox.Nodes {
		for _, a := range m.Addresses {
			note(m.Name == n.name && !slices.Contains(addrs, fabric.NIC+" "+a.String()), "%s has no address %s: %s", fabric.NIC, a, addrs)
		}
	}
	for _, gw := range sandbox.Gateway {
		want := fmt.Sprintf("default via %s dev %s", gw.Addr(), fabric.NIC)
		note(!strings.Contains(routes, want), "no route %q:\n%s", want, routes)
	}
	links := n.run(t, "ip", "-brief", "link")
	for _, device := range []string{"br-ex", "ovn0"} {
		note(strings.Contains(links, device+" "), "the link %s is there:\n%s", device, links)
		note(strings.Contains(routes, device), "a route by %s is there:\n%s", device, routes)
	}
	for _, family := range []string{"-4", "-6"} {
		for rule := range strings.Lines(n.run(t, "ip", family, "rule")) {
			note(!kernelsOwn.MatchString(rule), "a rule %q is there", rule)
		}
		own := n.run(t, "sh", "-c", "ip "+family+" route show table 8787 2>/dev/null || true")
		note(strings.TrimSpace(own) != "", "routes in Woven's table are there:\n%s", own)
	}
	// ovn-controller, which runs on, makes an empty br-int when it finds none, also without a database to follow
	// (OVN 25.03, process_br_int). It goes for good with the DaemonSets.
	bridges := strings.TrimSpace(vsctl(t, n.name, "list-br"))
	note(bridges != "" && bridges != "br-int", "Open vSwitch has bridges: %s", bridges)
	if bridges == "br-int" {
		ports := strings.TrimSpace(vsctl(t, n.name, "list-ports", "br-int"))
		note(ports != "", "br-int has ports: %s", ports)
	}
	confs := n.run(t, "sh", "-c", "ls /etc/cni/net.d /opt/cni/bin | grep -i woven || true")
	note(confs != "", "the container runtime has %s", confs)
	tc := n.run(t, "tc", "qdisc", "show", "dev", fabric.NIC)
	note(strings.Contains(tc, "clsact") || strings.Contains(tc, "ingress"), "traffic control is on %s: %s", fabric.NIC, tc)
	return wrong
}

// kernelsOwn matches the policy rules that every network namespace has.
var kernelsOwn = regexp.MustCompile(`^(0|32766|32767):\s+from all lookup (local|main|default)\s*$`)
