package nbsync

import (
	"fmt"
	"testing"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// One endpoint of a Service with 100 ports changes: that is one mutation of one key, whatever the others are.
func TestOneKeyOfAMapChanges(t *testing.T) {
	w := newWorld(t)
	w.want(owner("cluster"), loadBalancerGroup("woven-cluster"))
	vips := map[string]string{}
	for port := range 100 {
		vips[fmt.Sprint("10.96.0.10:", port)] = "10.244.1.5:80,10.244.1.6:80"
	}
	service := func() row.Row { return loadBalancer("default/web/tcp", "woven-cluster", vips) }
	w.want(owner("service/default/web"), service())
	w.start()
	vips["10.96.0.10:7"] = "10.244.1.5:80"
	w.want(owner("service/default/web"), service())
	plan, err := w.engine.Plan(t.Context(), owner("service/default/web"))
	require.NoError(t, err)
	require.Equal(t, `add Load_Balancer default/web/tcp vips "10.96.0.10:7"="10.244.1.5:80"
remove Load_Balancer default/web/tcp vips "10.96.0.10:7"="10.244.1.5:80,10.244.1.6:80"
`, plan.String())
	require.Len(t, plan.Ops, 1)
	w.sync(owner("service/default/web"), service())
	require.Equal(t, "10.244.1.5:80", w.mapOf("Load_Balancer", "default/web/tcp", "vips")["10.96.0.10:7"])
	require.Len(t, w.mapOf("Load_Balancer", "default/web/tcp", "vips"), 100)
}

// A map has many owners, each with keys of its own, which come and go with it.
func TestAMapOfManyOwners(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.sync(owner("node/worker-1"), templateVariables("worker-1"))
	set := func(o row.Owner, v string) row.Row {
		r := addressSet(o.Name)
		r.In = []row.Membership{variable("worker-1", "web_local", v)}
		return r
	}
	w.sync(owner("service/a"), set(owner("service/a"), "10.244.1.5:80"))
	require.Equal(t, map[any]any{"NODE4": "172.30.0.11", "web_local": "10.244.1.5:80"}, w.mapOf("Chassis_Template_Var", "worker-1", "variables"))

	w.sync(owner("service/b"), set(owner("service/b"), "10.244.1.6:80"))
	require.Equal(t, Untranslated, w.engine.Status(owner("service/b")).State)
	require.Equal(t, `key "web_local" of variables of Chassis_Template_Var/worker-1: service/a wants the value "10.244.1.5:80" there already, `+
		`which is not "10.244.1.6:80"`, w.engine.Status(owner("service/b")).Message)
	w.sync(owner("service/b"), set(owner("service/b"), "10.244.1.5:80"))
	require.Equal(t, InSync, w.engine.Status(owner("service/b")).State, "two owners may want the same")

	w.sync(owner("service/a"))
	require.Contains(t, w.mapOf("Chassis_Template_Var", "worker-1", "variables"), "web_local")
	w.sync(owner("service/b"))
	require.Equal(t, map[any]any{"NODE4": "172.30.0.11"}, w.mapOf("Chassis_Template_Var", "worker-1", "variables"))
}

// What a person does to a key comes back, and a person's own key goes: the map is ours.
func TestKeysChangedByHandComeBack(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), templateVariables("worker-1"))
	w.start()
	u := w.one("Chassis_Template_Var", "worker-1")["_uuid"].(libovsdb.UUID)
	for _, by := range []map[any]any{{"NODE4": "1.2.3.4"}, {}, {"NODE4": "172.30.0.11", "theirs": "x"}} {
		w.transact(set("Chassis_Template_Var", u, libovsdb.Row{"variables": libovsdb.OvsMap{GoMap: by}}))
		w.eventually("the map is as it was", func() bool {
			m := w.mapOf("Chassis_Template_Var", "worker-1", "variables")
			return len(m) == 1 && m["NODE4"] == "172.30.0.11"
		})
	}
}

func (w *world) mapOf(table, name, column string) map[any]any {
	return w.one(table, name)[column].(libovsdb.OvsMap).GoMap
}
