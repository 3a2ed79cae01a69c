//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// foreignMark is in the external_ids or the name of every row that the test adds.
const foreignMark = "e2e-foreign"

// testForeignRows adds rows that are not Woven's: a switch, a load balancer, a port in a switch of Woven's, a NAT, a
// route and a policy on its routers. Nothing of Woven's changes, and they stay, also while Woven writes beside them
// and when it starts anew and prunes.
func testForeignRows(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[0].name
	m := watchNorthbound(t)
	before := m.snapshot()
	mark := "external_ids:e2e=" + foreignMark
	adds := [][]string{
		{"ls-add", foreignMark, "--", "set", "Logical_Switch", foreignMark, mark},
		{"lb-add", foreignMark, "192.0.2.1:80", "192.0.2.2:80"},
		{"lsp-add", n, foreignMark + "-port", "--", "set", "Logical_Switch_Port", foreignMark + "-port", mark},
		{"--id=@r", "create", "NAT", "type=snat", "external_ip=192.0.2.3", "logical_ip=192.0.2.4", mark, "--", "add", "Logical_Router", "gw-" + n, "nat", "@r"},
		{"--id=@r", "create", "Logical_Router_Static_Route", "ip_prefix=192.0.2.0/24", "nexthop=100.64.0.250", mark, "--", "add", "Logical_Router", "cluster", "static_routes", "@r"},
		{"--id=@r", "create", "Logical_Router_Policy", "priority=1", `match="ip4.dst == 192.0.2.5"`, "action=drop", mark, "--", "add", "Logical_Router", "cluster", "policies", "@r"},
	}
	t.Cleanup(func() { removeForeign(t, n) })
	for _, args := range adds {
		nbctl(t, args...)
	}
	m.fence(t)
	foreign := m.snapshot().minus(before)
	// The parents' rows differ as well: their sets have a member more.
	foreign = slices.DeleteFunc(foreign, func(row string) bool { return !isForeign(row) })
	require.Len(t, foreign, len(adds), "rows that were added:\n%s", strings.Join(foreign, "\n"))
	lost := func(when string) {
		m.fence(t)
		now := m.snapshot()
		for _, row := range foreign {
			assert.Containsf(t, now, row, "a foreign row is gone or changed %s", when)
		}
		for _, row := range before.minus(now) {
			// A switch or router that holds a foreign row says so in its set; all else must be as it was.
			assert.Truef(t, holdsForeign(row, n), "a row of Woven's changed %s: %s", when, row)
		}
	}
	lost("at once")
	remove(t, run(t, ns, netexec("beside", n))...)
	m.await(t, "the end of the pod's port", 10*time.Second, func(rows map[nbKey]nbRow) bool { return !hasPort(rows, ns+"/beside") })
	lost("after Woven wrote beside it")
	restartController(t)
	remove(t, run(t, ns, netexec("after", n))...)
	m.await(t, "the end of the pod's port", 10*time.Second, func(rows map[nbKey]nbRow) bool { return !hasPort(rows, ns+"/after") })
	lost("after a restart of the controller")
}

func isForeign(row string) bool {
	switch {
	case strings.HasPrefix(row, "Logical_Switch ") || strings.HasPrefix(row, "Load_Balancer "):
		return strings.Contains(row, `name="`+foreignMark+`"`)
	case strings.HasPrefix(row, "Logical_Router "):
		return false
	default:
		return strings.Contains(row, foreignMark)
	}
}

// holdsForeign tells whether a row of Woven's is one that got a foreign member.
func holdsForeign(row, n string) bool {
	return strings.HasPrefix(row, "Logical_Switch ") && strings.Contains(row, `name="`+n+`"`) ||
		strings.HasPrefix(row, "Logical_Router ") && (strings.Contains(row, `name="cluster"`) || strings.Contains(row, `name="gw-`+n+`"`))
}

func hasPort(rows map[nbKey]nbRow, name string) bool {
	for k, r := range rows {
		if k.table == "Logical_Switch_Port" && r.name() == name {
			return true
		}
	}
	return false
}

// removeForeign deletes what the test added, as far as it is there. A cleanup has no test context any more.
func removeForeign(t *testing.T, n string) {
	t.Helper()
	script := `db="ovn-nbctl --db=` + northboundSocket + `"
$db --if-exists ls-del ` + foreignMark + ` -- --if-exists lb-del ` + foreignMark + ` -- --if-exists lsp-del ` + foreignMark + `-port
drop() { for u in $($db --bare --columns=_uuid find $1 external_ids:e2e=` + foreignMark + `); do $db remove Logical_Router $2 $3 $u; done; }
drop NAT gw-` + n + ` nat; drop Logical_Router_Static_Route cluster static_routes; drop Logical_Router_Policy cluster policies`
	nbShell(t, script)
}

// restartController deletes the controller's pods and waits until the Deployment has a ready one again.
func restartController(t *testing.T) *corev1.Pod {
	t.Helper()
	old := wovenPod(t, "woven-controller", "")
	remove(t, old)
	awaitAvailable(t, system, "woven-controller", 1)
	fresh := wovenPod(t, "woven-controller", "")
	require.NotEqual(t, old.UID, fresh.UID)
	return awaitPod(t, system, fresh.Name, "Ready", podTimeout, isReady)
}
