//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// floodPackets is how many packets of each kind and family a pod floods with, at most.
const floodPackets = 100_000

// testFlood has a pod send many packets of every kind that OVN's flows hand to ovn-controller, until a pod that is made
// meanwhile is ready. The meters of control plane protection let only some of them through (docs/pipeline.md).
func testFlood(t *testing.T) {
	ns := newNamespace(t)
	here, there := workers()[0], workers()[1]
	pods := run(t, ns, netexec("flooder", here.name), netexec("elsewhere", there.name))
	from := podPlace(t, pods[0])
	empty := newService(t, ns, "empty", map[string]string{"app": "nothing"}, httpPort, udpPort)
	awaitService(t, empty)

	type kind struct {
		name string
		to   netip.AddrPort
		// ttl is that of the packets; 0: the kernel's.
		ttl int
	}
	var kinds []kind
	for _, v4 := range families() {
		f := familyName(v4)
		vip, _ := of(clusterIPs(t, empty), v4)
		other, _ := of(addresses(t, pods[1]), v4)
		ip, _ := of(here.ips, v4)
		kinds = append(kinds,
			kind{"to a Service without endpoints, " + f, netip.AddrPortFrom(vip, 81), 0},
			kind{"to an address that no pod has, " + f, netip.AddrPortFrom(absent(other), 9), 0},
			kind{"to an address that no host has, " + f, netip.AddrPortFrom(absent(ip), 9), 0},
			kind{"whose TTL ends, " + f, netip.AddrPortFrom(other, 9), 1})
	}
	before, start := packetIns(t, here), time.Now()
	ready := make(chan struct{})
	var group sync.WaitGroup
	var sent atomic.Int64
	for _, k := range kinds {
		group.Go(func() {
			n, err := floodTo(from, k.to, k.ttl, ready)
			assert.NoError(t, err, k.name)
			sent.Add(int64(n))
		})
	}
	fresh := run(t, ns, netexec("fresh", here.name))
	close(ready)
	group.Wait()
	got, seconds := packetIns(t, here)-before, int(time.Since(start)/time.Second)+1
	for _, to := range addresses(t, fresh[0]) {
		_, err := ask(t.Context(), here.place(t), "tcp", netip.AddrPortFrom(to, httpPort))
		assert.NoError(t, err, "the pod that was made during the flood")
	}
	// Refusals have one meter for both families, the other kinds have one for each: 50 of the cluster router and 100 of
	// the gateway router. At the beginning each lets through as much as it does in a second.
	each := 200 + len(families())*(50+100+50)
	// What else the node does: it resolves neighbours, other pods start.
	most := each*(seconds+1) + 200
	t.Logf("%d packets in %d s; ovn-controller got %d of them, the meters allow %d", sent.Load(), seconds, got, most)
	assert.Less(t, most, int(sent.Load())/2, "the flood was so slow that this test proves nothing")
	assert.LessOrEqual(t, got, most, "packets that ovn-controller got")
	assert.Positive(t, got, "packets that ovn-controller got: without any, the flood hit nothing")
}

// absent returns an address of the same network that nothing has.
func absent(a netip.Addr) netip.Addr {
	bytes := a.AsSlice()
	bytes[len(bytes)-1] = 247
	b, _ := netip.AddrFromSlice(bytes)
	return b
}

// floodTo sends UDP packets as fast as the kernel takes them, floodPackets of them at most, until stop is closed. It
// returns how many it sent.
func floodTo(from place, to netip.AddrPort, ttl int, stop <-chan struct{}) (sent int, err error) {
	err = from.do(func() error {
		family, level, option := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
		var address unix.Sockaddr = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
		if to.Addr().Is4() {
			family, level, option = unix.AF_INET, unix.IPPROTO_IP, unix.IP_TTL
			address = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
		}
		s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		defer func() { _ = unix.Close(s) }()
		if ttl != 0 {
			if err := unix.SetsockoptInt(s, level, option, ttl); err != nil {
				return fmt.Errorf("TTL: %w", err)
			}
		}
		for sent < floodPackets {
			select {
			case <-stop:
				return nil
			default:
				_ = unix.Sendto(s, []byte("x"), 0, address) // An error is the answer to an earlier packet.
				sent++
			}
		}
		return nil
	})
	return sent, err
}

// packetIns is how many packets ovn-controller of a node has got from Open vSwitch since it started.
func packetIns(t *testing.T, n node) int {
	t.Helper()
	text := ovnController(t, n, "coverage/read-counter", "pinctrl_total_pin_pkts")
	count, err := strconv.Atoi(strings.TrimSpace(text))
	require.NoErrorf(t, err, "on %s", n.name)
	return count
}

// ovnController asks a node's ovn-controller.
func ovnController(t *testing.T, n node, command ...string) string {
	t.Helper()
	pod := wovenPod(t, "woven-ovn-controller", n.name)
	return execIn(t, pod, append([]string{"sh", "-ec", `ovn-appctl -t /run/ovn/ovn-controller*.ctl "$@"`, "-"}, command...)...)
}

// testZoneLimit asserts that the datapath bounds the connections of a pod's port as the configuration says.
func testZoneLimit(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[0]
	pod := run(t, ns, netexec("bounded", n.name))[0]
	nbctl(t, "--timeout=30", "--wait=hv", "sync")
	zone := ""
	for line := range strings.Lines(ovnController(t, n, "ct-zone-list")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == ns+"/"+pod.Name {
			zone = f[1]
		}
	}
	require.NotEmpty(t, zone, "the pod's port has no conntrack zone")
	limits := execInContainer(t, wovenPod(t, "woven-ovs", n.name), "vswitchd", "sh", "-ec",
		"ovs-appctl -t /run/openvswitch/ovs-vswitchd.ctl dpctl/ct-get-limits $(ovs-appctl -t /run/openvswitch/ovs-vswitchd.ctl dpctl/dump-dps)")
	assert.Contains(t, limits, fmt.Sprintf("zone=%s,limit=%d,", zone, mustConfig().PodConnections))
}
