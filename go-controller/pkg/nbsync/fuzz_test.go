package nbsync

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// FuzzRows has the engine plan over a database whose rows are any that can be read into our structs: the update of a
// monitor, as JSON. A plan never names a row without our mark, but for taking a row of ours out of it.
func FuzzRows(f *testing.F) {
	const u1, u2 = "6e4f2a6e-2a55-4a5d-8ee4-0c6ff2a3a111", "6e4f2a6e-2a55-4a5d-8ee4-0c6ff2a3a222"
	mark := `"external_ids":["map",[["woven.network/owner","pod/default/web-0"],["woven.network/name","x"]]]`
	f.Add(`{"Logical_Switch":{"` + u1 + `":{"insert":{"name":"worker-1","ports":["uuid","` + u2 + `"],` + mark + `}}},"Logical_Switch_Port":{"` + u2 + `":{"insert":{"name":"default/web-0",` + mark + `}}}}`)
	f.Add(`{"Port_Group":{"` + u1 + `":{"insert":{"name":"pg-web","ports":["set",[]]}}},"Static_MAC_Binding":{"` + u2 + `":{"insert":{"logical_port":"","ip":"/"}}}}`)
	f.Add(`{"Load_Balancer_Group":{"` + u1 + `":{"initial":{"name":"woven-cluster"}},"` + u2 + `":{"initial":{"name":"woven-cluster"}}}}`)
	f.Add(`{"NAT":{"` + u1 + `":{"insert":{"external_ids":["map",[["woven.network/owner",""],["woven.network/name","cluster/nat/worker-1"]]]}}}}`)
	target, err := ovsdb.Northbound(config.OVN{Northbound: "unix:/n"})
	require.NoError(f, err)
	var described libovsdb.DatabaseSchema
	require.NoError(f, json.Unmarshal(schema.Northbound, &described))
	database, errs := model.NewDatabaseModel(described, target.Model)
	require.Empty(f, errs)
	f.Fuzz(func(t *testing.T, text string) {
		quiet := logr.Discard()
		c, err := cache.NewTableCache(database, nil, &quiet)
		require.NoError(t, err)
		if !populated(c, text) {
			return // No server says that.
		}
		wanted := map[row.Owner][]row.Row{
			owner("node/worker-1"):     {logicalSwitch("worker-1")},
			owner("pod/default/web-0"): {pod("default/web-0", "worker-1", "10.244.1.5", in("Port_Group", "pg-web", "ports"))},
			owner("policy/web"):        {portGroup("pg-web")},
		}
		s, err := newState(func(o row.Owner) ([]row.Row, error) { return wanted[o], nil }, c)
		require.NoError(t, err)
		all := s.hearAll([]row.Owner{owner("node/worker-1"), owner("pod/default/web-0"), owner("policy/web")})
		ts := s.translateAll(all, func(_ row.Owner, err error) { require.NoError(t, err) })
		plan, _ := s.plan(newView(s, true), ts)
		require.NotPanics(t, func() { _ = plan.String() })
		_, err = s.operations(plan)
		require.NoError(t, err)
		for _, op := range plan.Ops {
			// A mutation may take a row of ours out of a stranger's set, and do nothing else there.
			if op.Kind != Insert && (op.Kind != Mutate || len(op.Add) > 0) {
				require.True(t, marked(c, op.ID.Table, op.UUID), "%s of a row that is not ours: %v", op.Kind, op)
			}
		}
	})
}

// marked judges by the row itself, and by nothing that the engine has noted, whether a row is ours.
func marked(c *cache.TableCache, table, uuid string) bool {
	switch m := c.Table(table).Row(uuid).(type) {
	case nil:
		return false
	case *nb.LoadBalancerGroup:
		return strings.HasPrefix(m.Name, row.ReservedPrefix)
	case *nb.StaticMACBinding:
		for uuid, port := range c.Table("Logical_Router_Port").RowsShallow() {
			if port.(*nb.LogicalRouterPort).Name == m.LogicalPort && marked(c, "Logical_Router_Port", uuid) {
				return true
			}
		}
		return false
	default:
		marks := reflect.ValueOf(m).Elem().FieldByName("ExternalIDs").Interface().(map[string]string)
		return marks[row.OwnerKey] != ""
	}
}

// populated tells whether libovsdb can read the update. Version 0.8.1 panics at a value that is an empty JSON array, which
// RFC 7047 does not know.
func populated(c *cache.TableCache, text string) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	var updates libovsdb.TableUpdates2
	if json.Unmarshal([]byte(text), &updates) != nil {
		return false
	}
	seen := map[string]bool{} // A UUID is that of one row.
	for _, rows := range updates {
		for uuid := range rows {
			if seen[uuid] {
				return false
			}
			seen[uuid] = true
		}
	}
	return c.Populate2(updates) == nil
}
