package southbound

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/go-logr/logr"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
)

// Evict removes the chassis of other names that claim this machine's tunnel address: what it was called before it was
// renamed. The Southbound database has one Encap for an address, so ovn-controller could not register otherwise. An
// agent does it once, when it starts: two machines that were given one address shall not do it to each other for ever.
func (d *Database) Evict(ctx context.Context, name string, tunnel netip.Addr, log logr.Logger) error {
	is := func(column, value string) []libovsdb.Condition {
		return []libovsdb.Condition{libovsdb.NewCondition(column, libovsdb.ConditionEqual, value)}
	}
	transact := func(operations ...libovsdb.Operation) ([]libovsdb.OperationResult, error) {
		results, err := d.Transact(ctx, operations...)
		if err == nil {
			_, err = libovsdb.CheckOperationResults(results, operations)
		}
		return results, err
	}
	found, err := transact(libovsdb.Operation{
		Op: libovsdb.OperationSelect, Table: sb.EncapTable, Where: is("ip", tunnel.String()), Columns: []string{"chassis_name"},
	})
	if err != nil {
		return fmt.Errorf("tunnel address %s in the Southbound database: %w", tunnel, err)
	}
	for _, encap := range found[0].Rows {
		former, _ := encap["chassis_name"].(string)
		if former == "" || former == name {
			continue
		}
		// As `ovn-sbctl chassis-del` does; its Encaps go with the chassis.
		_, err := transact(
			libovsdb.Operation{Op: libovsdb.OperationDelete, Table: sb.ChassisTable, Where: is("name", former)},
			libovsdb.Operation{Op: libovsdb.OperationDelete, Table: sb.ChassisPrivateTable, Where: is("name", former)},
		)
		if err != nil {
			return fmt.Errorf("remove the chassis %s, which has this machine's tunnel address %s: %w", former, tunnel, err)
		}
		log.Info("removed a chassis that had this machine's tunnel address", "chassis", former, "address", tunnel)
	}
	return nil
}
