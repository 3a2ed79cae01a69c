package nbsync

import (
	"strings"
	"testing"
	"time"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// What a person changes by hand comes back, woken by events: nothing here marks an owner.

func remove(table string, u libovsdb.UUID, column string, value any) libovsdb.Operation {
	return libovsdb.Operation{Op: libovsdb.OperationMutate, Table: table, Where: where(u), Mutations: []libovsdb.Mutation{
		{Column: column, Mutator: libovsdb.MutateOperationDelete, Value: value},
	}}
}

func insert(table string, u libovsdb.UUID, column string, value any) libovsdb.Operation {
	op := remove(table, u, column, value)
	op.Mutations[0].Mutator = libovsdb.MutateOperationInsert
	return op
}

func set(table string, u libovsdb.UUID, columns libovsdb.Row) libovsdb.Operation {
	return libovsdb.Operation{Op: libovsdb.OperationUpdate, Table: table, Where: where(u), Row: columns}
}

func destroy(table string, u libovsdb.UUID) libovsdb.Operation {
	return libovsdb.Operation{Op: libovsdb.OperationDelete, Table: table, Where: where(u)}
}

func TestWhatIsChangedByHandComesBack(t *testing.T) {
	const pod, sw = "default/web-0", "worker-1"
	empty := libovsdb.OvsMap{GoMap: map[any]any{}}
	for name, edit := range map[string]func(w *world) []libovsdb.Operation{
		"a port is taken out of its switch, so the server deletes it": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{remove("Logical_Switch", w.uuid("Logical_Switch", sw), "ports", w.uuid("Logical_Switch_Port", pod))}
		},
		"a switch is deleted with its ports": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{destroy("Logical_Switch", w.uuid("Logical_Switch", sw))}
		},
		"a port group is deleted": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{destroy("Port_Group", w.uuid("Port_Group", "pg-web"))}
		},
		"a member is taken out of a port group": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{remove("Port_Group", w.uuid("Port_Group", "pg-web"), "ports", w.uuid("Logical_Switch_Port", pod))}
		},
		"an address is taken out of an address set": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{remove("Address_Set", w.uuid("Address_Set", "as-web"), "addresses", "10.244.1.5")}
		},
		"an address is added to an address set": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{insert("Address_Set", w.uuid("Address_Set", "as-web"), "addresses", "10.9.9.9")}
		},
		"a load balancer is deleted": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{destroy("Load_Balancer", w.uuid("Load_Balancer", "default/web/tcp"))}
		},
		"a load balancer is taken out of its group": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{remove("Load_Balancer_Group", w.uuid("Load_Balancer_Group", "woven-cluster"), "load_balancer",
				w.uuid("Load_Balancer", "default/web/tcp"))}
		},
		"a column is changed": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("Logical_Switch_Port", w.uuid("Logical_Switch_Port", pod), libovsdb.Row{"addresses": "unknown"})}
		},
		"a row gets another name": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("Logical_Switch_Port", w.uuid("Logical_Switch_Port", pod), libovsdb.Row{"name": "x"})}
		},
		"the marks of a row with a name are removed": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("Logical_Switch_Port", w.uuid("Logical_Switch_Port", pod), libovsdb.Row{"external_ids": empty})}
		},
		"the marks of a row without a name are removed": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("NAT", w.uuid("NAT", "cluster/nat/worker-1"), libovsdb.Row{"external_ids": empty})}
		},
		"a row is marked with another owner": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("Port_Group", w.uuid("Port_Group", "pg-web"), libovsdb.Row{"external_ids": libovsdb.OvsMap{
				GoMap: map[any]any{row.OwnerKey: "policy/default/gone"}}})}
		},
		"a row with our marks appears that nobody wants": func(*world) []libovsdb.Operation {
			return []libovsdb.Operation{{Op: libovsdb.OperationInsert, Table: "Port_Group", Row: libovsdb.Row{
				"name": "pg-old", "external_ids": libovsdb.OvsMap{GoMap: map[any]any{row.OwnerKey: "policy/default/old"}}}}}
		},
		"a row appears twice": func(*world) []libovsdb.Operation {
			return []libovsdb.Operation{{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{
				"name": sw, "external_ids": libovsdb.OvsMap{GoMap: map[any]any{row.OwnerKey: "node/worker-1"}}}}}
		},
		"a group with a reserved name appears": func(*world) []libovsdb.Operation {
			return []libovsdb.Operation{{Op: libovsdb.OperationInsert, Table: "Load_Balancer_Group", Row: libovsdb.Row{"name": "woven-old"}}}
		},
		"a MAC binding is changed": func(w *world) []libovsdb.Operation {
			return []libovsdb.Operation{set("Static_MAC_Binding", w.find("Static_MAC_Binding", "", "")[0]["_uuid"].(libovsdb.UUID),
				libovsdb.Row{"mac": "0a:58:00:00:00:99"})}
		},
		"a MAC binding is added to a port of ours": func(*world) []libovsdb.Operation {
			return []libovsdb.Operation{{Op: libovsdb.OperationInsert, Table: "Static_MAC_Binding", Row: libovsdb.Row{
				"logical_port": "cluster-worker-1", "ip": "10.9.9.9", "mac": "0a:58:00:00:00:99"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			small(w)
			w.start()
			before, ids := w.content(), len(w.versions())
			started := time.Now()
			w.transact(edit(w)...)
			w.eventually("it is as before", func() bool { return w.content() == before })
			require.Less(t, time.Since(started), time.Second)
			require.Len(t, w.versions(), ids)
			require.Empty(t, w.logged())
			drift, err := w.engine.Audit(t.Context())
			require.NoError(t, err)
			require.Zero(t, drift, "and nothing is left for the audit")

			if strings.HasPrefix(name, "the marks of") {
				return // Nobody can know whose they are who has not seen them before.
			}
			w.stop()
			w.transact(edit(w)...)
			w.start()
			w.eventually("it is as before, when nobody has seen it", func() bool { return w.content() == before })
			// Deaf to events, as if libovsdb had dropped them: only the audit finds it.
			w.engine.inbox.close()
			w.transact(edit(w)...)
			w.engine.options.Client.(interposed).fetch()
			drift, err = w.engine.Audit(t.Context())
			require.NoError(t, err)
			require.NotZero(t, drift)
			w.eventually("it is as before, after an audit", func() bool { return w.content() == before })
		})
	}
}

// content returns what a plan would make from nothing, read back from the database: text without UUIDs.
func (w *world) content() string {
	names := map[string]string{}
	rows := map[string][]libovsdb.Row{}
	for _, d := range row.Tables {
		rows[d.Name] = w.find(d.Name, "", "")
		for _, r := range rows[d.Name] {
			names[text(r["_uuid"])] = d.Name + "/" + rowName(d, r)
		}
	}
	return contentText(rows, names)
}

func TestForeignRowsAreNeverTouched(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	// A foreign switch with the name of ours (its schema allows that) and with a port of its own; a foreign port in our
	// switch and in our port group; a foreign load balancer in our group.
	w.transact(
		libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch_Port", UUIDName: "p", Row: libovsdb.Row{"name": "foreign"}},
		libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{
			"name": "worker-1", "ports": libovsdb.UUID{GoUUID: "p"}}},
		insert("Logical_Switch", w.uuid("Logical_Switch", "worker-1"), "ports", libovsdb.UUID{GoUUID: "p"}),
		insert("Port_Group", w.uuid("Port_Group", "pg-web"), "ports", libovsdb.UUID{GoUUID: "p"}),
		libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Load_Balancer", UUIDName: "l", Row: libovsdb.Row{"name": "foreign"}},
		insert("Load_Balancer_Group", w.uuid("Load_Balancer_Group", "woven-cluster"), "load_balancer", libovsdb.UUID{GoUUID: "l"}),
		libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Static_MAC_Binding", Row: libovsdb.Row{
			"logical_port": "foreign", "ip": "10.9.9.9", "mac": "0a:58:00:00:00:99"}},
	)
	before := w.versions()
	w.engine.MarkAll()
	w.settle()
	drift, err := w.engine.Audit(t.Context())
	require.NoError(t, err)
	require.Zero(t, drift)
	require.Equal(t, before, w.versions())

	w.stop()
	w.start()
	require.Equal(t, before, w.versions(), "nor after a restart")

	port, lb := w.uuid("Logical_Switch_Port", "foreign").GoUUID, w.uuid("Load_Balancer", "foreign").GoUUID
	w.sync(owner("pod/default/web-0"))
	w.sync(owner("service/default/web"))
	require.Equal(t, []string{port}, w.set("Port_Group", "pg-web", "ports"))
	require.Equal(t, []string{lb}, w.set("Load_Balancer_Group", "woven-cluster", "load_balancer"))
	require.Len(t, w.find("Logical_Switch", "name", "worker-1"), 2)
}

// A name that the schema allows only once is taken by a stranger: one clear error, nothing of others' is held up, and
// when the stranger goes the owner's turn comes at once.
func TestAStrangerHasTheName(t *testing.T) {
	w := newWorld(t)
	stranger := w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Port_Group", Row: libovsdb.Row{"name": "pg-web"}})[0].UUID
	small(w)
	w.start()
	require.Len(t, w.logged(), 1)
	require.Contains(t, w.logged()[0], "Port_Group pg-web cannot be made: row "+stranger.GoUUID+" without Woven's mark has its name; rename or delete that row")
	require.Contains(t, w.logged()[0], `"owner"="policy/default/web"`)
	w.uuid("Load_Balancer", "default/web/tcp")
	require.Empty(t, w.find("Logical_Switch_Port", "name", "default/web-0"), "the pod waits for its port group")
	require.Empty(t, w.find("Address_Set", "name", "as-web"), "an owner is carried out as a whole")

	for range 8 { // The next try on time would now come in some 25 s.
		w.engine.MarkAll()
		w.settle()
	}
	w.transact(destroy("Port_Group", stranger))
	w.eventually("the pod is there", func() bool { return len(w.find("Logical_Switch_Port", "name", "default/web-0")) == 1 })
	require.Len(t, w.logged(), 1)
	require.Equal(t, []string{w.uuid("Logical_Switch_Port", "default/web-0").GoUUID}, w.set("Port_Group", "pg-web", "ports"))
}

func TestOfTwoRowsTheFullerOneStays(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	full := w.uuid("Logical_Switch", "worker-1").GoUUID
	w.stop()
	marks := libovsdb.OvsMap{GoMap: map[any]any{row.OwnerKey: "node/worker-1"}}
	for range 5 {
		w.transact(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{"name": "worker-1", "external_ids": marks}})
	}
	w.start()
	require.Equal(t, full, w.uuid("Logical_Switch", "worker-1").GoUUID)
	require.Len(t, w.set("Logical_Switch", "worker-1", "ports"), 1)

}

// A switch is there twice, and what is in the copy is not what is in the original.
func TestTheMembersOfTwoRowsAreMerged(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.want(owner("node/worker-2"), logicalSwitch("worker-2"))
	lb := func(name string) row.Row {
		r := loadBalancer(name, "", nil)
		r.In = []row.Membership{in("Logical_Switch", "worker-1", "load_balancer")}
		return r
	}
	w.want(owner("service/default/a"), lb("a"))
	w.want(owner("service/default/b"), lb("b"))
	w.want(owner("pod/default/moves"), pod("default/moves", "worker-1", "10.244.1.5"))
	w.start()
	// The copy has no load balancers, but more ports, so it is the one to stay; one of them should be elsewhere by now.
	w.stop()
	marks := libovsdb.OvsMap{GoMap: map[any]any{row.OwnerKey: "node/worker-1"}}
	ports := libovsdb.OvsSet{GoSet: []any{w.uuid("Logical_Switch_Port", "default/moves")}}
	var operations []libovsdb.Operation
	for _, name := range []string{"f1", "f2", "f3"} {
		operations = append(operations, libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch_Port", UUIDName: name, Row: libovsdb.Row{"name": name}})
		ports.GoSet = append(ports.GoSet, libovsdb.UUID{GoUUID: name})
	}
	w.transact(append(operations, libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Logical_Switch", Row: libovsdb.Row{
		"name": "worker-1", "external_ids": marks, "ports": ports}})...)
	w.want(owner("pod/default/moves"), pod("default/moves", "worker-2", "10.244.1.5"))
	w.start()
	require.Len(t, w.set("Logical_Switch", "worker-1", "load_balancer"), 2)
	require.Len(t, w.set("Logical_Switch", "worker-1", "ports"), 3, "those of strangers")
	require.Len(t, w.set("Logical_Switch", "worker-2", "ports"), 1)
}
