package nbsync

import (
	"fmt"
	"testing"
	"time"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"
)

// many is a cluster of several batches.
func many(w *world, pods int) {
	w.want(owner("policy/default/web"), portGroup("pg-web"), addressSet("as-web"))
	for n := range 5 {
		w.want(owner(fmt.Sprintf("node/worker-%d", n)), logicalSwitch(fmt.Sprintf("worker-%d", n)))
	}
	for i := range pods {
		name, address := fmt.Sprintf("default/web-%d", i), fmt.Sprintf("10.244.%d.%d", i/250, i%250)
		w.want(owner("pod/"+name), pod(name, fmt.Sprintf("worker-%d", i%5), address,
			in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", address)))
	}
}

func TestADatabaseThatRestartsLosesNothing(t *testing.T) {
	w := newWorld(t)
	many(w, 1000)
	w.start()
	before := w.versions()
	w.server.Stop()
	w.want(owner("pod/default/late"), pod("default/late", "worker-1", "10.244.200.1"))
	w.engine.Mark(owner("pod/default/late"))
	w.server.Continue()
	w.eventually("the pod that came meanwhile is there", func() bool { return len(w.find("Logical_Switch_Port", "name", "default/late")) == 1 })
	after := w.versions()
	require.Len(t, after, len(before)+1)
}

func TestADatabaseThatIsDeletedIsRebuilt(t *testing.T) {
	w := newWorld(t)
	many(w, 1000)
	w.start()
	before := w.content()
	w.server.Recreate()
	w.eventually("it is as before", func() bool { return w.content() == before })
	require.Empty(t, w.logged())
}

// The database goes away again and again while batches are under way; in the end everything is there, once.
func TestADatabaseThatGoesAwayInMidFlow(t *testing.T) {
	w := newWorld(t)
	many(w, 1000)
	w.start()
	before := w.content()
	for i := range 6 {
		if i%2 == 0 {
			w.server.Stop()
			w.server.Continue()
		} else {
			w.server.Recreate()
		}
		// Change something, so that a batch is on its way when the next fault comes.
		for n := range 200 {
			w.engine.Mark(owner(fmt.Sprintf("pod/default/web-%d", n)))
		}
	}
	w.eventually("it is as before", func() bool { return w.content() == before })
}

func TestAuditFindsAndRepairsWhatNoEventTold(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	before := w.content()
	// Make the engine deaf, as if libovsdb had dropped the events of a full buffer.
	w.engine.inbox.close()
	w.transact(
		set("Logical_Switch_Port", w.uuid("Logical_Switch_Port", "default/web-0"), libovsdb.Row{"addresses": "unknown"}),
		remove("Port_Group", w.uuid("Port_Group", "pg-web"), "ports", w.uuid("Logical_Switch_Port", "default/web-0")),
		insert("Address_Set", w.uuid("Address_Set", "as-web"), "addresses", "10.9.9.9"),
	)
	cached := func() bool {
		f := newView(w.fresh(), true).pick(id("Address_Set", "as-web"))
		return len(f.table.elements(f.model, "addresses")) == 2
	}
	require.Eventually(t, cached, 5*time.Second, time.Millisecond)
	drift, err := w.engine.Audit(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, drift)
	w.settle()
	require.Equal(t, before, w.content())
	require.InDelta(t, 3, w.metric("woven_nbsync_drift_operations_total"), 0)
}
