package ovs

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// This file alone writes to the node's own database. southbound/renamed.go has the one write of an agent to the Southbound
// database; the Northbound one is nbsync's. The linter refuses any other call of Transact.

// Transaction collects operations that are made from the cache of one connection and sent over the same.
type Transaction struct {
	c   *Database
	ops []libovsdb.Operation
	// bridges maps the names of bridges that this transaction makes to their named-uuids.
	bridges map[string]string
	err     error
}

// NewTransaction returns one without operations.
func NewTransaction(c *Database) *Transaction {
	return &Transaction{c: c, bridges: map[string]string{}}
}

func (t *Transaction) add(ops []libovsdb.Operation, err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
	t.ops = append(t.ops, ops...)
}

// Empty tells that there is nothing to write.
func (t *Transaction) Empty() bool { return t.err == nil && len(t.ops) == 0 }

// Commit sends the operations, if there are any. The session must be the one in which the cache was read.
func (t *Transaction) Commit(session context.Context) error {
	if t.err != nil || t.Empty() {
		return t.err
	}
	results, err := t.c.Transact(session, t.ops...)
	if err != nil {
		return fmt.Errorf("write to the Open_vSwitch database: %w", err)
	}
	if failed, err := libovsdb.CheckOperationResults(results, t.ops); err != nil {
		return fmt.Errorf("write to the Open_vSwitch database: %w %v", err, failed)
	}
	return nil
}

// Initialize makes the row of the table Open_vSwitch in an empty database, as `ovs-vsctl init` does. It must have a
// value: libovsdb 0.8.1 leaves an empty row out of the operation, and the server refuses that.
func (t *Transaction) Initialize(externalIDs map[string]string) {
	t.add(t.c.Create(&vswitch.OpenvSwitch{UUID: "open_vswitch", ExternalIDs: externalIDs}))
}

// Bridge makes a bridge with its local port, or changes what differs. Other keys of its maps are left.
func (t *Transaction) Bridge(root *vswitch.OpenvSwitch, have *vswitch.Bridge, want vswitch.Bridge) {
	if have != nil {
		changed := []any{}
		now := &vswitch.Bridge{UUID: have.UUID, DatapathType: want.DatapathType, FailMode: want.FailMode}
		if have.DatapathType != want.DatapathType {
			changed = append(changed, &now.DatapathType)
		}
		if have.FailMode == nil || *have.FailMode != *want.FailMode {
			changed = append(changed, &now.FailMode)
		}
		if len(changed) > 0 {
			t.add(t.c.Where(now).Update(now, changed...))
		}
		t.Merge(now, &now.OtherConfig, have.OtherConfig, want.OtherConfig)
		t.Merge(now, &now.ExternalIDs, have.ExternalIDs, want.ExternalIDs)
		return
	}
	want.UUID = uuidName("bridge", want.Name)
	local := t.newPort(vswitch.Port{Name: want.Name}, vswitch.Interface{Name: want.Name, Type: "internal"})
	want.Ports = []string{local}
	t.add(t.c.Create(&want))
	t.insert(root, &root.Bridges, want.UUID)
	t.bridges[want.Name] = want.UUID
}

// Port makes a port with one interface on a bridge, or changes what differs. A zero MTURequest or MAC leaves what
// is there.
func (t *Transaction) Port(on *vswitch.Bridge, bridge string, haveP *vswitch.Port, haveI *vswitch.Interface, port vswitch.Port, i vswitch.Interface) {
	if haveP == nil || haveI == nil {
		t.Attach(on, bridge, port, i)
		return
	}
	p := &vswitch.Port{UUID: haveP.UUID}
	t.Merge(p, &p.OtherConfig, haveP.OtherConfig, port.OtherConfig)
	now := &vswitch.Interface{UUID: haveI.UUID, MTURequest: i.MTURequest, MAC: i.MAC}
	changed := []any{}
	if i.MTURequest != nil && (haveI.MTURequest == nil || *haveI.MTURequest != *i.MTURequest) {
		changed = append(changed, &now.MTURequest)
	}
	if i.MAC != nil && (haveI.MAC == nil || *haveI.MAC != *i.MAC) {
		changed = append(changed, &now.MAC)
	}
	if len(changed) > 0 {
		t.add(t.c.Where(now).Update(now, changed...))
	}
	t.Merge(now, &now.ExternalIDs, haveI.ExternalIDs, i.ExternalIDs)
}

// Attach makes a port with one interface on a bridge that exists or that this transaction makes.
func (t *Transaction) Attach(on *vswitch.Bridge, bridge string, port vswitch.Port, i vswitch.Interface) {
	uuid := t.newPort(port, i)
	if on == nil {
		on = &vswitch.Bridge{UUID: t.bridges[bridge]}
	}
	t.insert(on, &on.Ports, uuid)
}

func (t *Transaction) newPort(port vswitch.Port, i vswitch.Interface) string {
	i.UUID, port.UUID = uuidName("interface", i.Name), uuidName("port", port.Name)
	port.Interfaces = []string{i.UUID}
	t.add(t.c.Create(&i))
	t.add(t.c.Create(&port))
	return port.UUID
}

// Detach removes a port from a bridge; ovsdb-server collects the rows that nothing refers to.
func (t *Transaction) Detach(from *vswitch.Bridge, port *vswitch.Port) {
	t.mutate(from, &from.Ports, libovsdb.MutateOperationDelete, []string{port.UUID})
}

// DeleteBridge removes a bridge with its ports.
func (t *Transaction) DeleteBridge(root *vswitch.OpenvSwitch, b *vswitch.Bridge) {
	t.mutate(root, &root.Bridges, libovsdb.MutateOperationDelete, []string{b.UUID})
}

// Merge sets the keys of want in a map column.
func (t *Transaction) Merge(row model.Model, column *map[string]string, have, want map[string]string) {
	old, now := map[string]string{}, map[string]string{}
	for k, v := range want {
		h, ok := have[k]
		if ok && h == v {
			continue
		}
		if ok {
			old[k] = h
		}
		now[k] = v
	}
	if len(old) > 0 {
		// "insert" does not change the value of a key that is there (RFC 7047, 5.1).
		t.mutate(row, column, libovsdb.MutateOperationDelete, old)
	}
	if len(now) > 0 {
		t.mutate(row, column, libovsdb.MutateOperationInsert, now)
	}
}

// Forget removes the keys of a map column that keep refuses.
func (t *Transaction) Forget(row model.Model, column *map[string]string, have map[string]string, keep func(key string) bool) {
	old := maps.Clone(have)
	maps.DeleteFunc(old, func(k, _ string) bool { return keep(k) })
	if len(old) > 0 {
		t.mutate(row, column, libovsdb.MutateOperationDelete, old)
	}
}

func (t *Transaction) insert(row model.Model, column *[]string, uuid string) {
	t.mutate(row, column, libovsdb.MutateOperationInsert, []string{uuid})
}

func (t *Transaction) mutate(row model.Model, column any, op libovsdb.Mutator, value any) {
	t.add(t.c.Where(row).Mutate(row, model.Mutation{Field: column, Mutator: op, Value: value}))
}

// uuidName makes a named-uuid, an <id> of RFC 7047: letters, digits and underscores.
func uuidName(kind, name string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	return kind + "_" + id
}
