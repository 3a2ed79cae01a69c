//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// damage is one way to damage a database's file and what becomes of it.
type damage struct {
	name string
	// pod and container serve the file, which is on the pod's node at path.
	pod, container, path string
	// command damages the file $file; it is run by sh on the node.
	command string
	// aside says that ovsdb-server would refuse the file. One that it takes stays where it is.
	aside bool
	// gap is how long a stream of pings may be without an answer.
	gap time.Duration
}

// testDamagedDatabases damages the files of databases and kills the servers that have them open, while pods talk.
// Without a hand, each database is filled again and says what it said; the file that was damaged is kept; connections
// live on.
func testDamagedDatabases(t *testing.T) {
	ns := newNamespace(t)
	n, other := workers()[0], workers()[1]
	pods := run(t, ns, netexec("here", n.name), netexec("there", other.name))
	const garbage = `head -c 4096 /dev/urandom | dd of="$file" conv=notrunc bs=1 status=none`
	for i, d := range []damage{
		{"northbound-empty", "woven-ovn-central", "northbound", "/var/lib/woven/ovn/ovnnb_db.db", `: >"$file"`, true, 15 * time.Second},
		{"southbound-garbage-first", "woven-ovn-central", "southbound", "/var/lib/woven/ovn/ovnsb_db.db", garbage, true, 15 * time.Second},
		{"southbound-garbage-within", "woven-ovn-central", "southbound", "/var/lib/woven/ovn/ovnsb_db.db",
			garbage + ` seek=$(($(stat -c %s "$file") / 2))`, false, 15 * time.Second},
		{"node-garbage-first", "woven-ovs", "ovsdb", "/var/lib/woven/openvswitch/conf.db", garbage, true, 15 * time.Second},
	} {
		t.Run(d.name, func(t *testing.T) {
			before := withoutGlobal(watchNorthbound(t).snapshot())
			streams := startStreams(t, n, pods[0], pods[1])
			tcp := startTCP(t, podPlace(t, pods[1]), podPlace(t, pods[0]), addresses(t, pods[0])[0])
			node := n.name
			if d.pod == "woven-ovn-central" {
				node = controlPlane().name
			}
			pod := wovenPod(t, d.pod, node)
			kept := asideOf(t, node, d.path)
			start := time.Now()
			runOn(t, node, "sh", "-ec", fmt.Sprintf("file=%s; %s", d.path, d.command))
			killContainer(t, pod, d.container)
			t.Logf("the server was ready after %s", time.Since(start).Round(time.Millisecond))
			assertAside(t, d, node, kept, pod)

			m := watchNorthbound(t)
			m.until(t, 45*time.Second, func(rows map[nbKey]nbRow) bool { return len(before.minus(snapshotOf(rows))) == 0 })
			require.Emptyf(t, before.minus(m.snapshot()), "rows that are not back after %s", time.Since(start).Round(time.Second))
			back := time.Now()
			for name, s := range streams {
				awaitReply(t, name, s, back, time.Minute)
			}
			fresh := run(t, ns, netexec(fmt.Sprintf("fresh-%d", i), n.name))[0]
			t.Logf("a new pod was Ready after %s", time.Since(start).Round(time.Millisecond))
			for _, to := range append(addresses(t, fresh), addresses(t, pods[0])...) {
				askUntil(t, podPlace(t, pods[1]), "tcp", netip.AddrPortFrom(to, httpPort), 10*time.Second, func(answer) bool { return true })
			}
			for name, r := range finishAll(streams) {
				t.Logf("%-24s %s", name, r)
				assert.Lessf(t, r.gap, d.gap, "%s: without a reply", name)
			}
			tcp.finish(t)
			awaitAllReady(t)
			remove(t, fresh)
		})
	}
}

// asideOf lists the damaged files that are kept beside a database's.
func asideOf(t *testing.T, node, file string) []string {
	t.Helper()
	return strings.Fields(runOn(t, node, "find", filepath.Dir(file), "-name", filepath.Base(file)+".damaged-*"))
}

// assertAside asserts that a damaged file was set aside and that the container says so, or neither.
func assertAside(t *testing.T, d damage, node string, kept []string, pod *corev1.Pod) {
	t.Helper()
	log, err := cluster.client.CoreV1().Pods(system).GetLogs(pod.Name, &corev1.PodLogOptions{Container: d.container}).DoRaw(t.Context())
	require.NoError(t, err)
	if !d.aside {
		assert.Len(t, asideOf(t, node, d.path), len(kept), "files that were set aside")
		assert.NotContains(t, string(log), "is damaged")
		return
	}
	assert.Len(t, asideOf(t, node, d.path), len(kept)+1, "files that were set aside")
	assert.Contains(t, string(log), "is damaged: ")
	assert.Contains(t, string(log), "it is kept as ")
}
