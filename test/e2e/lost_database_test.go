//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testLostDatabases deletes the northbound and southbound databases while pods talk. They are a cache: they are made
// anew from the Kubernetes API, with the addresses that running pods have, and say then what they said before.
func testLostDatabases(t *testing.T) {
	ns := newNamespace(t)
	n, other := workers()[0], workers()[1]
	pods := run(t, ns, netexec("here", n.name), netexec("there", other.name))
	before := withoutGlobal(watchNorthbound(t).snapshot())
	streams := startStreams(t, n, pods[0], pods[1])
	tcp := startTCP(t, podPlace(t, pods[1]), podPlace(t, pods[0]), addresses(t, pods[0])[0])

	central := wovenPod(t, "woven-ovn-central", "")
	files := strings.Fields(runOn(t, central.Spec.NodeName, "sh", "-c", "ls /var/lib/woven/ovn/*.db"))
	require.Len(t, files, 2, "databases on %s", central.Spec.NodeName)
	start := time.Now()
	runOn(t, central.Spec.NodeName, append([]string{"rm"}, files...)...)
	replacePod(t, "woven-ovn-central", central.Spec.NodeName)
	t.Logf("empty databases were ready after %s", time.Since(start).Round(time.Millisecond))
	m := watchNorthbound(t)
	m.until(t, 45*time.Second, func(rows map[nbKey]nbRow) bool { return len(before.minus(snapshotOf(rows))) == 0 })
	require.Emptyf(t, before.minus(m.snapshot()), "rows that are not back after %s", time.Since(start).Round(time.Second))
	t.Logf("the northbound database said again what it had said after %s", time.Since(start).Round(time.Millisecond))
	assert.Empty(t, withoutGlobal(m.snapshot()).minus(before), "rows that were not there before")

	fresh := run(t, ns, netexec("fresh", n.name))[0]
	t.Logf("a new pod was Ready after %s", time.Since(start).Round(time.Millisecond))
	for _, to := range append(addresses(t, fresh), addresses(t, pods[0])...) {
		askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 10*time.Second, func(answer) bool { return true })
	}
	for name, r := range finishAll(streams) {
		t.Logf("%-24s %s", name, r)
		assert.Lessf(t, r.gap, 30*time.Second, "%s: without a reply", name)
	}
	tcp.finish(t)
}

// withoutGlobal leaves out NB_Global, the one row of its table, in which northd keeps numbers and names that it draws
// anew in a new database.
func withoutGlobal(s snapshot) snapshot {
	for row := range s {
		if strings.HasPrefix(row, "NB_Global ") {
			delete(s, row)
		}
	}
	return s
}
