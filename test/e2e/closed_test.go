//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// closedTimeout is how long a connection that must not come about may take. One that may comes about within
// milliseconds, as the questions of the same test show that are asked of the same servers by nodes.
const closedTimeout = 1500 * time.Millisecond

// testClosed asserts that pods reach none of the ports by which the network is administered, by whatever way, and that
// nodes and host-network pods reach them.
func testClosed(t *testing.T) {
	ns := newNamespace(t)
	here, there := workers()[0], workers()[1]
	pod := podPlace(t, run(t, ns, netexec("prober", here.name))[0])

	// What is closed, by the node that has it.
	ports := map[string][]uint16{controlPlane().name: {6641, 6642, 9410, 9411}, here.name: {9411}, there.name: {9411}}
	ways := map[string]netip.AddrPort{}
	open := map[string]netip.AddrPort{}
	number := 0
	for _, n := range cluster.nodes {
		for _, port := range ports[n.name] {
			for _, v4 := range families() {
				f := familyName(v4)
				ip, _ := of(n.ips, v4)
				ovn0, _ := of(n.ovn0, v4)
				to := netip.AddrPortFrom(ip, port)
				number++
				vip := newServiceTo(t, ns, fmt.Sprint("closed-", number), corev1.ProtocolTCP, 80, to)
				ways[fmt.Sprintf("%s %d, %s", n.name, port, f)] = to
				ways[fmt.Sprintf("%s %d by a Service, %s", n.name, port, f)] = vip
				ways[fmt.Sprintf("%s %d at ovn0, %s", n.name, port, f)] = netip.AddrPortFrom(ovn0, port)
				open[fmt.Sprintf("%s %d, %s", n.name, port, f)] = to
				open[fmt.Sprintf("%s %d by a Service, %s", n.name, port, f)] = vip
			}
		}
	}
	for _, v4 := range families() {
		f := familyName(v4)
		ways["the host's alias, "+f] = netip.AddrPortFrom(alias(v4).Next(), 9411)
		ways["br-ex's alias, "+f] = netip.AddrPortFrom(alias(v4).Next().Next(), 9411)
		ovn0, _ := of(there.ovn0, v4)
		ways["another ovn0 by a Service, "+f] = newServiceTo(t, ns, "ovn0-"+map[bool]string{true: "4", false: "6"}[v4], corev1.ProtocolTCP, 80, netip.AddrPortFrom(ovn0, 9411))
	}
	for name, to := range open {
		for _, n := range cluster.nodes {
			assert.NoErrorf(t, connect(t.Context(), n.place(t), to, askTimeout), "%s -> %s", n.name, name)
		}
	}
	var group sync.WaitGroup
	for name, to := range ways {
		group.Go(func() {
			assert.Errorf(t, connect(t.Context(), pod, to, closedTimeout), "pod -> %s (%s): connected", name, to)
		})
	}
	group.Wait()

	// A pod that hands its packets to ovn0 instead of to OVN's router.
	for _, v4 := range families() {
		ovn0, _ := of(here.ovn0, v4)
		ip, _ := of(here.ips, v4)
		own, _ := of([]netip.Addr{alias(true).Next().Next(), alias(false).Next().Next()}, v4)
		for _, to := range []netip.Addr{ip, own} {
			routed(t, pod, hops{netip.PrefixFrom(to, to.BitLen()): ovn0}, func() {
				assert.Errorf(t, connect(t.Context(), pod, netip.AddrPortFrom(to, 9411), closedTimeout), "pod -> %s by ovn0's MAC: connected", to)
			})
		}
	}
}

// testMetricsForPods sets `metricsAccess: pods`: pods reach metrics then, and still no database.
func testMetricsForPods(t *testing.T) {
	ns := newNamespace(t)
	pod := podPlace(t, run(t, ns, netexec("prometheus", workers()[0].name))[0])
	undo := configureAll(t, "metricsAccess: pods")
	defer undo()
	nbctl(t, "--timeout=30", "--wait=hv", "sync")
	for _, n := range cluster.nodes {
		for _, ip := range n.ips {
			assert.NoErrorf(t, connect(t.Context(), pod, netip.AddrPortFrom(ip, 9411), askTimeout), "pod -> metrics of %s (%s)", n.name, ip)
		}
	}
	for _, ip := range controlPlane().ips {
		assert.NoErrorf(t, connect(t.Context(), pod, netip.AddrPortFrom(ip, 9410), askTimeout), "pod -> metrics of the controller (%s)", ip)
		assert.Errorf(t, connect(t.Context(), pod, netip.AddrPortFrom(ip, 6642), closedTimeout), "pod -> Southbound database (%s): connected", ip)
	}
}

// connect opens a TCP connection and closes it.
func connect(ctx context.Context, from place, to netip.AddrPort, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := from.dial(ctx, "tcp", to.String())
	if err == nil {
		return c.Close()
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil // The packets passed; that nothing listens is another matter.
	}
	return err
}

// configureAll adds a line to Woven's configuration and restarts the controller and all agents with it. Undo puts
// everything back.
func configureAll(t *testing.T, line string) (undo func()) {
	t.Helper()
	restart := func() {
		restartController(t)
		for _, n := range cluster.nodes {
			replacePod(t, "woven-node", n.name)
		}
	}
	remove := editConfiguration(t, line)
	restart()
	return func() {
		remove()
		restart()
	}
}
