//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	podMTU = 1500
	// pingBytes4 and pingBytes6 are payloads that fill a packet of podMTU: less 20 or 40 bytes of IP, 8 of ICMP.
	pingBytes4, pingBytes6 = podMTU - 28, podMTU - 48
	// floodCount full-size pings and transferBytes of TCP go along every way.
	floodCount    = 300
	transferBytes = 8 << 20
	transferPort  = 28095
)

// testFullMTU asserts that pods have an MTU of 1500 and that packets of that size, never fragmented, arrive without
// loss: ping floods and TCP transfers whose bytes are counted, while the kernels' counters of fragments stay still.
func testFullMTU(t *testing.T) {
	w := newWorld(t)
	settle(t, w)
	for _, pod := range w.pods {
		checkMTU(t, pod.place)
	}
	counted := slices.Concat(w.pods, w.nodes, []endpoint{w.external})
	before := make([]map[string]uint64, len(counted))
	for i, e := range counted {
		before[i] = fragments(t, e.place)
	}
	first, second := podOn(t, w, workers()[0].name), podOn(t, w, workers()[1].name)
	ways := []path{
		{first, second},
		{w.pods[1], podOn(t, w, controlPlane().name)},
		{neighbours(t, w)[0], neighbours(t, w)[1]},
		{first, nodeEndpoint(w, first.node)},
		{first, nodeEndpoint(w, second.node)},
		{nodeEndpoint(w, second.node), first},
		{first, w.external},
		{first, w.remote},
	}
	for _, way := range ways {
		for _, v4 := range families() {
			floodAlong(t, way, v4)
			transferAlong(t, way, v4)
		}
	}
	for i, e := range counted {
		after := fragments(t, e.place)
		for _, name := range slices.Sorted(maps.Keys(after)) {
			assert.Equalf(t, before[i][name], after[name], "%s: the kernel's counter %s moved", e.name, name)
		}
	}
}

func podOn(t *testing.T, w world, node string) endpoint {
	t.Helper()
	for _, p := range w.pods {
		if p.node == node {
			return p
		}
	}
	require.Failf(t, "no pod", "on %s", node)
	return endpoint{}
}

// neighbours are two pods on one node.
func neighbours(t *testing.T, w world) []endpoint {
	t.Helper()
	var on []endpoint
	for _, p := range w.pods {
		if p.node == workers()[0].name {
			on = append(on, p)
		}
	}
	require.Len(t, on, 2)
	return on
}

func nodeEndpoint(w world, name string) endpoint {
	for _, n := range w.nodes {
		if n.node == name {
			return n
		}
	}
	panic("no node " + name)
}

func checkMTU(t *testing.T, at place) {
	t.Helper()
	err := at.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil && link.Attrs().MTU != podMTU {
			err = fmt.Errorf("the MTU of eth0 is %d, not %d", link.Attrs().MTU, podMTU)
		}
		return err
	})
	assert.NoErrorf(t, err, "%s", at.name)
}

// floodAlong sends full-size pings along a way and allows no loss. One byte more must be refused in a pod, or the
// sizes prove nothing.
func floodAlong(t *testing.T, way path, v4 bool) {
	t.Helper()
	to, _ := of(way.to.addrs, v4)
	size := pingBytes6
	if v4 {
		size = pingBytes4
	}
	what := fmt.Sprintf("%-24s -> %-24s %s", way.from.name, way.to.name, familyName(v4))
	queues := queueDrops(t, cluster.nodes...)
	start := time.Now()
	lost, slowest, err := newPinger(t, way.from.place, to, size).flood(floodCount)
	if assert.NoErrorf(t, err, "%s: ping of %d bytes", what, size) {
		dropped := newDrops(queues, queueDrops(t, cluster.nodes...))
		assert.LessOrEqualf(t, lost, dropped, "%s: lost of %d pings of %d bytes, and packets that this machine was too slow for", what, floodCount, size)
	}
	t.Logf("%s: %d pings of %d bytes in %s, %d lost, slowest %s", what, floodCount, size, time.Since(start).Round(time.Millisecond), lost, slowest.Round(10*time.Microsecond))
	if way.from.pod {
		err := newPinger(t, way.from.place, to, size+1).send(0)
		assert.Truef(t, errors.Is(err, unix.EMSGSIZE), "%s: a ping of %d bytes does not fit, but sending it gave: %v", what, size+1, err)
	}
}

// transferAlong sends some MB by TCP along a way and counts the bytes that arrive.
func transferAlong(t *testing.T, way path, v4 bool) {
	t.Helper()
	to, _ := of(way.to.addrs, v4)
	address := netip.AddrPortFrom(to, transferPort).String()
	l, err := way.to.listen(address)
	require.NoErrorf(t, err, "%s", way.to.name)
	defer shut(l)
	what := fmt.Sprintf("%-24s -> %-24s %s", way.from.name, way.to.name, familyName(v4))
	type received struct {
		bytes int64
		err   error
	}
	done := make(chan received, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- received{err: err}
			return
		}
		defer shut(c)
		n, err := io.Copy(io.Discard, c)
		done <- received{n, err}
	}()
	start := time.Now()
	c, err := way.from.dial(t.Context(), "tcp", address)
	if !assert.NoError(t, err, what) {
		return
	}
	defer shut(c)
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(c, io.LimitReader(zeros{}, transferBytes))
	assert.NoErrorf(t, err, "%s: send", what)
	assert.NoErrorf(t, c.Close(), "%s: close", what)
	select {
	case r := <-done:
		assert.NoErrorf(t, r.err, "%s: receive", what)
		assert.EqualValuesf(t, transferBytes, r.bytes, "%s: bytes received", what)
	case <-time.After(time.Minute):
		assert.Failf(t, "timeout", "%s: %d bytes did not arrive within a minute", what, transferBytes)
		return
	}
	took := time.Since(start)
	t.Logf("%s: %d MB in %s, %.0f Mbit/s", what, transferBytes>>20, took.Round(time.Millisecond), float64(transferBytes)*8/1e6/took.Seconds())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// fragments are the kernel's counters, in a network namespace, of packets that were or would have been fragmented
// or put together.
func fragments(t *testing.T, at place) map[string]uint64 {
	t.Helper()
	counters := map[string]uint64{}
	v4, err := at.read("/proc/thread-self/net/snmp")
	require.NoErrorf(t, err, "%s", at.name)
	var names []string
	for line := range strings.Lines(v4) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Ip:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, name := range names[1:] {
			note(counters, "Ip"+name, f[i+1])
		}
	}
	v6, err := at.read("/proc/thread-self/net/snmp6")
	require.NoErrorf(t, err, "%s", at.name)
	for lines := bufio.NewScanner(strings.NewReader(v6)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 {
			note(counters, f[0], f[1])
		}
	}
	require.Containsf(t, counters, "IpFragCreates", "%s: /proc/net/snmp", at.name)
	require.Containsf(t, counters, "Ip6ReasmReqds", "%s: /proc/net/snmp6", at.name)
	return counters
}

func note(counters map[string]uint64, name, value string) {
	for _, part := range []string{"FragCreates", "FragFails", "FragOKs", "ReasmReqds", "ReasmFails", "ReasmOKs"} {
		if strings.HasSuffix(name, part) {
			n, _ := strconv.ParseUint(value, 10, 64)
			counters[name] = n
		}
	}
}
