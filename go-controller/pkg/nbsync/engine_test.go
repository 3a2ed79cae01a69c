package nbsync

import (
	"testing"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// small is a cluster of a node with a pod that a policy selects.
func small(w *world) {
	w.want(owner("cluster"), router("cluster"), loadBalancerGroup("woven-cluster"))
	sw := logicalSwitch("worker-1")
	sw.Model.(*nb.LogicalSwitch).LoadBalancerGroup = []string{row.Ref("Load_Balancer_Group", "woven-cluster")}
	w.want(owner("node/worker-1"), sw, routerPort("cluster-worker-1", "cluster"), nat("cluster", "worker-1", "172.30.0.11", "10.244.1.0/24"),
		macBinding("cluster-worker-1", "169.254.64.2"))
	w.want(owner("policy/default/web"), portGroup("pg-web"), acl("pg-web", "in", "ip4"), addressSet("as-web"))
	w.want(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5",
		in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.244.1.5")))
	w.want(owner("service/default/web"), loadBalancer("default/web/tcp", "woven-cluster", map[string]string{"10.96.0.10:80": "10.244.1.5:8080"}))
}

func TestEverythingIsBuiltFromNothing(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	require.Empty(t, w.logged())
	port := w.uuid("Logical_Switch_Port", "default/web-0").GoUUID
	require.Equal(t, []string{port}, w.set("Logical_Switch", "worker-1", "ports"))
	require.Equal(t, []string{port}, w.set("Port_Group", "pg-web", "ports"))
	require.Equal(t, []string{"10.244.1.5"}, w.set("Address_Set", "as-web", "addresses"))
	group := w.uuid("Load_Balancer_Group", "woven-cluster").GoUUID
	require.Equal(t, []string{group}, w.set("Logical_Switch", "worker-1", "load_balancer_group"))
	require.Equal(t, []string{w.uuid("Load_Balancer", "default/web/tcp").GoUUID}, w.set("Load_Balancer_Group", "woven-cluster", "load_balancer"))
	require.Equal(t, []string{w.uuid("NAT", "cluster/nat/worker-1").GoUUID}, w.set("Logical_Router", "cluster", "nat"))
	require.Len(t, w.find("Static_MAC_Binding", "logical_port", "cluster-worker-1"), 1)
	require.Equal(t, libovsdb.OvsMap{GoMap: map[any]any{
		"woven.network/owner": "pod/default/web-0", "woven.network/pod": "default/web-0",
	}}, w.one("Logical_Switch_Port", "default/web-0")["external_ids"])
}

func TestUnchangedIsNoOperation(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	transactions, _ := w.operations(func() {
		w.engine.MarkAll()
		w.settle()
	})
	require.Zero(t, transactions)
}

func TestRestartOverUnchangedStateWritesNothing(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.stop()
	before := w.versions()

	w.start()
	transactions, _ := w.counted()
	require.Zero(t, transactions)
	require.Equal(t, before, w.versions(), "no row has been written, not even with what it held")
}

func TestOneColumnIsOneUpdate(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	changed := pod("default/web-0", "worker-1", "10.244.1.5",
		in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.244.1.5"))
	changed.Model.(*nb.LogicalSwitchPort).Enabled = ref(false)
	w.want(owner("pod/default/web-0"), changed)
	plan, err := w.engine.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, "set Logical_Switch_Port default/web-0 enabled=false\n", plan.String())

	w.sync(owner("pod/default/web-0"), changed)
	require.Equal(t, []string{"false"}, w.set("Logical_Switch_Port", "default/web-0", "enabled"))

	// libovsdb's Create and Update leave out empty values; the engine must not.
	changed.Model = &nb.LogicalSwitchPort{Name: "default/web-0"}
	w.want(owner("pod/default/web-0"), changed)
	plan, err = w.engine.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, `set Logical_Switch_Port default/web-0 external_ids={woven.network/owner=pod/default/web-0}
clear Logical_Switch_Port default/web-0 options addresses port_security enabled
`, plan.String())
	w.sync(owner("pod/default/web-0"), changed)
	require.Empty(t, w.set("Logical_Switch_Port", "default/web-0", "addresses"))
	require.Empty(t, w.set("Logical_Switch_Port", "default/web-0", "enabled"))
}

func TestAPodIsOneTransaction(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	second := pod("default/web-1", "worker-1", "10.244.1.6",
		in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.244.1.6"))
	w.want(owner("pod/default/web-1"), second)
	plan, err := w.engine.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, `create Logical_Switch_Port default/web-1 name=default/web-1 external_ids={woven.network/owner=pod/default/web-1, `+
		`woven.network/pod=default/web-1} options={iface-id-ver=uid-of-default/web-1, requested-chassis=worker-1} `+
		`addresses=["0a:58:00:00:00:01 10.244.1.6"] port_security=["0a:58:00:00:00:01 10.244.1.6"]
add Address_Set as-web addresses "10.244.1.6"
add Logical_Switch worker-1 ports default/web-1
add Port_Group pg-web ports default/web-1
`, plan.String())
	transactions, operations := w.operations(func() { w.sync(owner("pod/default/web-1"), second) })
	require.Equal(t, 1, transactions)
	require.Equal(t, 4, operations)

	// It leaves the port group and the address set; the port stays.
	second = pod("default/web-1", "worker-1", "10.244.1.6")
	transactions, operations = w.operations(func() { w.sync(owner("pod/default/web-1"), second) })
	require.Equal(t, 1, transactions)
	require.Equal(t, 2, operations)
	require.Equal(t, []string{"10.244.1.5"}, w.set("Address_Set", "as-web", "addresses"))

	// It is deleted: its switch lets go of it, and the server does the rest.
	transactions, operations = w.operations(func() { w.sync(owner("pod/default/web-1")) })
	require.Equal(t, 1, transactions)
	require.Equal(t, 1, operations)
	require.Empty(t, w.find("Logical_Switch_Port", "name", "default/web-1"))
}

func TestNothingWantedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	for _, o := range w.owners() {
		w.want(o)
	}
	w.engine.MarkAll()
	w.settle()
	require.Empty(t, w.logged())
	for _, table := range row.Tables {
		require.Empty(t, w.find(table.Name, "", ""), table.Name)
	}
}

func TestOwnersThatNobodyWantsArePrunedAtStart(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.stop()
	for _, o := range w.owners() {
		w.want(o)
	}
	w.start()
	require.Empty(t, w.logged())
	for _, table := range row.Tables {
		require.Empty(t, w.find(table.Name, "", ""), table.Name)
	}
}
