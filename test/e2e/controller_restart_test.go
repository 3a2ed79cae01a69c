//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testControllerRestart kills the controller while the cluster does not change. The one that follows must write not
// one row: an independent monitor of the northbound database sees no change until a pod is made, which shows that
// the new controller works and is done with what it does at its start.
func testControllerRestart(t *testing.T) {
	ns := newNamespace(t)
	run(t, ns, netexec("resident", workers()[0].name), netexec("resident-too", workers()[1].name))
	m := watchNorthbound(t)
	before, n := m.snapshot(), m.count()
	start := time.Now()
	restartController(t)
	ready := time.Since(start)
	fence := run(t, ns, netexec("fence", workers()[0].name))[0]
	t.Logf("the new controller was ready after %s, a new pod %s later", ready.Round(time.Millisecond), (time.Since(start) - ready).Round(time.Millisecond))
	m.fence(t)
	var others []string
	for _, c := range m.since(n) {
		port := c.table == "Logical_Switch_Port" && c.row.name() == ns+"/"+fence.Name
		member := c.action == "modify" && strings.Join(c.columns, ",") == "ports" && c.row.name() == fence.Spec.NodeName
		if !port && !member {
			others = append(others, c.String())
		}
	}
	assert.Emptyf(t, others, "changes by a controller that started over an unchanged cluster")
	require.Truef(t, hasRow(m, ns+"/"+fence.Name), "the new pod's port is not in the database, so the controller may not have started at all")

	remove(t, fence)
	m.await(t, "the end of the pod's port", 10*time.Second, func(rows map[nbKey]nbRow) bool { return !hasPort(rows, ns+"/fence") })
	after := m.snapshot()
	assert.Truef(t, after.equal(before), "the database differs from what it was:\n%s", fmt.Sprint(before.minus(after), after.minus(before)))
	t.Logf("%d rows stood untouched", len(before))
}

func hasRow(m *nbMonitor, port string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return hasPort(m.rows, port)
}
