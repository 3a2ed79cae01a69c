package southbound

import (
	"net/netip"
	"testing"

	"github.com/go-logr/logr"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// A machine that comes back under another name has its tunnel address for itself; other machines keep theirs.
func TestARenamedMachineTakesItsAddressBack(t *testing.T) {
	server := ovsdbtest.Start(t, schema.Southbound)
	south, err := Dial(t.Context(), config.OVN{Southbound: server.Remote}, "new", logr.Discard())
	require.NoError(t, err)
	t.Cleanup(south.Close)
	transact := func(operations ...libovsdb.Operation) []libovsdb.OperationResult {
		results, err := south.Transact(t.Context(), operations...)
		require.NoError(t, err)
		_, err = libovsdb.CheckOperationResults(results, operations)
		require.NoError(t, err, "%v", results)
		return results
	}
	register := func(name, ip string) {
		encap := libovsdb.UUID{GoUUID: "encap"}
		encaps, err := libovsdb.NewOvsSet([]libovsdb.UUID{encap})
		require.NoError(t, err)
		transact(
			libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Encap", UUIDName: encap.GoUUID, Row: libovsdb.Row{"type": "geneve", "ip": ip, "chassis_name": name}},
			libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Chassis", Row: libovsdb.Row{"name": name, "hostname": name, "encaps": encaps}},
			libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Chassis_Private", Row: libovsdb.Row{"name": name}},
		)
	}
	names := func(table, column string) (all []any) {
		for _, row := range transact(libovsdb.Operation{Op: libovsdb.OperationSelect, Table: table, Columns: []string{column}})[0].Rows {
			all = append(all, row[column])
		}
		return all
	}
	register("old", "192.0.2.11")
	register("other", "192.0.2.12")
	for range 2 {
		require.NoError(t, south.Evict(t.Context(), "new", netip.MustParseAddr("192.0.2.11"), logr.Discard()))
		require.Equal(t, []any{"other"}, names("Encap", "chassis_name"))
		require.Equal(t, []any{"other"}, names("Chassis", "name"))
		require.Equal(t, []any{"other"}, names("Chassis_Private", "name"))
	}
	register("new", "192.0.2.11")
	require.NoError(t, south.Evict(t.Context(), "new", netip.MustParseAddr("192.0.2.11"), logr.Discard()))
	require.ElementsMatch(t, []any{"other", "new"}, names("Chassis", "name"))
}
