//go:build e2e

package e2e

import "testing"

func TestDevMonitor(t *testing.T) {
	m := watchNorthbound(t)
	s := m.snapshot()
	t.Logf("%d rows", len(s))
	for _, k := range rowsOf(m, []string{"cluster", "node/worker-1"}, workers()[0]) {
		t.Log(k.what, k.owner, k.deletion(m)())
	}
}

func TestDevHeal(t *testing.T) {
	m := watchNorthbound(t)
	var times []healing
	for _, k := range rowsOf(m, []string{"cluster", "node/worker-1"}, workers()[0]) {
		times = append(times, heal(t, m, "deleted "+k.what, k.deletion(m)))
	}
	report(t, times)
}
