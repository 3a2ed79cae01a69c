package nbsync

import (
	"testing"
	"time"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Somebody changes the database between the engine's comparison and its transaction.
func TestTheDatabaseChangesUnderAPlan(t *testing.T) {
	web1 := pod("default/web-1", "worker-1", "10.244.1.6",
		in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.244.1.6"))
	for name, edit := range map[string]func(*world){
		"the switch goes, so the new port has no parent and is deleted with it": func(w *world) {
			w.transact(destroy("Logical_Switch", w.uuid("Logical_Switch", "worker-1")))
		},
		"the address set goes, so its mutate changes nothing": func(w *world) {
			w.transact(destroy("Address_Set", w.uuid("Address_Set", "as-web")))
		},
		"a stranger takes the name": func(w *world) {
			w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch_Port", UUIDName: "p", Row: libovsdb.Row{"name": "default/web-1"}},
				libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{"name": "foreign", "ports": libovsdb.UUID{GoUUID: "p"}}})
			time.AfterFunc(50*time.Millisecond, func() {
				_, _ = w.admin.Transact(t.Context(), destroy("Logical_Switch", w.uuid("Logical_Switch", "foreign")))
			})
		},
		"the connection breaks": func(w *world) {
			w.server.Stop()
			w.server.Continue()
		},
		"the database is replaced by an empty one": func(w *world) {
			w.server.Recreate()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			small(w)
			w.start()
			w.mu.Lock()
			w.before = func() { edit(w) }
			w.mu.Unlock()
			w.sync(owner("pod/default/web-1"), web1)
			w.eventually("both pods are everywhere", func() bool {
				return len(w.find("Logical_Switch_Port", "", "")) == 2 && len(w.members("Logical_Switch", "worker-1", "ports")) == 2 &&
					len(w.members("Port_Group", "pg-web", "ports")) == 2 && len(w.members("Address_Set", "as-web", "addresses")) == 2
			})
			drift, err := w.engine.Audit(t.Context())
			require.NoError(t, err)
			require.Zero(t, drift)
		})
	}
}

// members is set for a row that may not exist.
func (w *world) members(table, name, column string) []string {
	if len(w.find(table, "name", name)) != 1 {
		return nil
	}
	return w.set(table, name, column)
}

// Our own transactions' events do not cause another translation.
func TestOwnEventsAreNoNews(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.7", in("Port_Group", "pg-web", "ports")))
	w.mu.Lock()
	clear(w.asked)
	w.mu.Unlock()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.8", in("Port_Group", "pg-web", "ports")))
	time.Sleep(100 * time.Millisecond) // Nothing is to come: there is no event to wait for.
	w.settle()
	require.Equal(t, map[row.Owner]int{owner("pod/default/web-0"): 1}, w.asked)

	w.sync(owner("pod/default/web-1"), pod("default/web-1", "worker-1", "10.244.1.9", in("Port_Group", "pg-web", "ports")))
	time.Sleep(100 * time.Millisecond)
	w.settle()
	require.Equal(t, map[row.Owner]int{owner("pod/default/web-0"): 1, owner("pod/default/web-1"): 1}, w.asked)
}

// An operation that the server accepts and that changes nothing is noticed by its count, before any event comes.
func TestAnOperationWithoutEffectIsNoticed(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.engine.inbox.close() // No events.
	w.mu.Lock()
	clear(w.asked)
	w.before = func() { w.transact(destroy("Address_Set", w.uuid("Address_Set", "as-web"))) }
	w.mu.Unlock()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5", value("Address_Set", "as-web", "addresses", "10.244.1.6")))
	require.Equal(t, map[row.Owner]int{owner("pod/default/web-0"): 2}, w.asked)
}

// A port that should go is in a second switch, of which the engine has not heard.
func TestAReleasedRowThatSomebodyHolds(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.engine.inbox.close() // No events.
	w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{
		"name": "foreign", "ports": w.uuid("Logical_Switch_Port", "default/web-0")}})
	w.sync(owner("pod/default/web-0"))
	w.eventually("the port is gone", func() bool { return len(w.find("Logical_Switch_Port", "", "")) == 0 })
	w.uuid("Logical_Switch", "foreign")
}

// A person changes a row to what its owner comes to want, so the engine has nothing to write; then the person takes it
// back. That is news.
func TestAHandEditThatWasWantedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.start()
	name := "worker-1"
	config := func(v string) libovsdb.Row {
		return libovsdb.Row{"other_config": libovsdb.OvsMap{GoMap: map[any]any{"subnet": v}}}
	}
	second := logicalSwitch(name)
	second.Model.(*nb.LogicalSwitch).OtherConfig = map[string]string{"subnet": "10.244.2.0/24"}
	w.want(owner("node/worker-1"), second)
	w.transact(set("Logical_Switch", w.uuid("Logical_Switch", name), config("10.244.2.0/24")))
	w.sync(owner("node/worker-1"), second)
	w.transact(set("Logical_Switch", w.uuid("Logical_Switch", name), config("10.244.1.0/24")))
	w.eventually("it is as wanted", func() bool {
		return text(w.one("Logical_Switch", name)["other_config"].(libovsdb.OvsMap).GoMap["subnet"]) == "10.244.2.0/24"
	})
}

// A port group that went while no engine ran comes back with all its ports at once: they are known to be in accord with
// the database, though their owners have nothing to do.
func TestASetComesBackWhole(t *testing.T) {
	w := newWorld(t)
	many(w, 50)
	w.start()
	w.stop()
	w.transact(destroy("Port_Group", w.uuid("Port_Group", "pg-web")))
	w.start()
	transactions, operations := w.counted()
	require.Equal(t, []int{1, 1}, []int{transactions, operations})
	require.Len(t, w.set("Port_Group", "pg-web", "ports"), 50)
}

// What left a set while no engine ran goes at the start.
func TestMembersThatLeftWhileNobodyRan(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.stop()
	w.want(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5"))
	w.start()
	require.Empty(t, w.set("Port_Group", "pg-web", "ports"))
	require.Empty(t, w.set("Address_Set", "as-web", "addresses"))
	require.Len(t, w.set("Logical_Switch", "worker-1", "ports"), 1)
}

// An event may be handled when its row has been written again; what counts is the row as it is.
func TestAnEventOfWhatIsPastIsNoNews(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.7"))
	s, lsp := w.fresh(), "Logical_Switch_Port"
	uuid := s.uuids[row.ID{Table: lsp, Name: "default/web-0"}][0]
	now := s.cache.Table(lsp).Row(uuid).(*nb.LogicalSwitchPort)
	past, older := now.DeepCopy(), now.DeepCopy()
	past.Addresses, older.Addresses = []string{"router"}, []string{"unknown"}
	events := map[string]event{"new": {table: lsp, new: past}, "changed": {table: lsp, old: older, new: past}}
	for name, e := range events {
		s.known[uuid].fingerprint = s.print(s.tables[lsp], now)
		wake, _ := s.observe(e)
		require.Empty(t, wake, name)
		s.known[uuid].fingerprint = s.print(s.tables[lsp], older)
		wake, _ = s.observe(e)
		require.Equal(t, []row.Owner{owner("pod/default/web-0")}, wake, name)
	}
}
