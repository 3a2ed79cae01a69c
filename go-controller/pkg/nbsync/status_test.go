package nbsync

import (
	"errors"
	"testing"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Every owner has a status that says what keeps the owner from being in sync; the engine reports each.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	reported := map[row.Owner][]State{}
	w.report = func(o row.Owner, s Status) { reported[o] = append(reported[o], s.State) }
	w.start()
	web := owner("pod/default/web-0")

	w.sync(web, pod("default/web-0", "worker-1", "10.244.1.5"))
	s := w.engine.Status(web)
	require.Equal(t, Waiting, s.State)
	require.Equal(t, []row.ID{id("Logical_Switch", "worker-1")}, s.Rows)
	require.False(t, s.Since.IsZero())
	require.Contains(t, w.engine.Statuses(), web)
	require.InDelta(t, 1, w.gauge("woven_nbsync_owners", "waiting"), 0)

	since := s.Since
	w.engine.Mark(web)
	w.settle()
	require.Equal(t, since, w.engine.Status(web).Since, "since when is not since the last look")

	w.sync(owner("node/worker-1"), logicalSwitch("worker-1"))
	require.Equal(t, InSync, w.engine.Status(web).State)

	poisoned := pod("default/web-0", "worker-1", "10.244.1.5")
	poisoned.Model.(*nb.LogicalSwitchPort).TagRequest = ref(5000)
	w.sync(web, poisoned)
	s = w.engine.Status(web)
	require.Equal(t, Refused, s.State)
	require.Contains(t, s.Message, "5000 is not in the valid range")

	w.broken[web] = errors.New("no such luck")
	w.sync(web, poisoned)
	require.Equal(t, Status{State: Untranslated, Message: "no such luck", Since: w.engine.Status(web).Since}, w.engine.Status(web))
	w.mu.Lock()
	delete(w.broken, web)
	w.mu.Unlock()
	w.sync(web)
	require.Empty(t, w.engine.Statuses())

	require.Equal(t, []State{Waiting, Waiting, InSync, Refused, Untranslated, InSync}, reported[web])
	require.InDelta(t, 0, w.gauge("woven_nbsync_owners", "waiting"), 0)
}

// A row that a stranger's row is in the way of says so.
func TestStatusOfAnOwnerWhoseNameIsTaken(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Port_Group", Row: libovsdb.Row{"name": "pg"}})
	w.engine.options.Client.(interposed).fetch() // Else the server refuses the row before the engine sees the stranger's.
	w.sync(owner("policy/default/web"), portGroup("pg"))
	s := w.engine.Status(owner("policy/default/web"))
	require.Equal(t, Refused, s.State)
	require.Contains(t, s.Message, "without Woven's mark has its name")
}

// Rows of strangers are counted by table and listed, and stay.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	for _, name := range []string{"theirs", "also-theirs"} {
		w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{"name": name}})
	}
	w.eventually("the metric counts them", func() bool {
		w.engine.Mark(owner("node/worker-1"))
		w.settle()
		return w.gauge("woven_nbsync_foreign_rows", "Logical_Switch") == 2
	})
	require.InDelta(t, 0, w.gauge("woven_nbsync_foreign_rows", "Port_Group"), 0)
	strangers, err := w.engine.Strangers()
	require.NoError(t, err)
	var names []string
	for _, s := range strangers {
		require.Equal(t, "Logical_Switch", s.Table)
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"also-theirs", "theirs"}, names)
}

// gauge returns the value of a gauge of which one label has this value.
func (w *world) gauge(name, label string) float64 {
	families, err := w.engine.options.Registerer.(*prometheus.Registry).Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && m.Label[0].GetValue() == label {
				return m.GetGauge().GetValue()
			}
		}
	}
	w.t.Errorf("no metric %s with label %s", name, label)
	return -1
}
