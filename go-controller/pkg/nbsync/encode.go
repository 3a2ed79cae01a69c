package nbsync

import (
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// operations returns the plan as RFC 7047 has it. New rows get UUIDs of our choice ("uuid" of insert, in ovsdb-server
// since 2.18): unlike with named-uuids we know a new row before its transaction, and sending a transaction twice,
// whose first reply was lost with the connection, cannot make a row twice.
func (s *state) operations(p Plan) ([]ovsdb.Operation, error) {
	out := make([]ovsdb.Operation, 0, len(p.Ops))
	for _, op := range p.Ops {
		o, err := s.operation(op)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", op.Kind, op.ID, err)
		}
		out = append(out, o)
	}
	return out, nil
}

func (s *state) operation(op Op) (ovsdb.Operation, error) {
	o := ovsdb.Operation{Op: string(op.Kind), Table: op.ID.Table}
	if op.Kind == Insert {
		o.UUID = op.UUID
	} else {
		o.Where = []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: op.UUID})}
	}
	if op.Kind == Insert || op.Kind == Update {
		o.Row = ovsdb.Row{}
		for _, c := range op.Columns {
			v, err := ovsdb.NativeToOvs(s.tables[op.ID.Table].columns[c.Name].schema, c.value)
			if err != nil {
				return o, fmt.Errorf("column %s: %w", c.Name, err)
			}
			o.Row[c.Name] = v
		}
	}
	// Removals first: a set with an upper limit must not be too large in between.
	for _, change := range []struct {
		mutator  ovsdb.Mutator
		elements []Element
	}{{ovsdb.MutateOperationDelete, op.Remove}, {ovsdb.MutateOperationInsert, op.Add}} {
		mutations, err := s.mutations(op, change.mutator, change.elements)
		if err != nil {
			return o, err
		}
		o.Mutations = append(o.Mutations, mutations...)
	}
	return o, nil
}

// mutations returns one mutation for each set. The elements are sorted by set.
func (s *state) mutations(op Op, m ovsdb.Mutator, elements []Element) ([]ovsdb.Mutation, error) {
	var out []ovsdb.Mutation
	for start := 0; start < len(elements); {
		column, values := elements[start].Column, []string{}
		for ; start < len(elements) && elements[start].Column == column; start++ {
			values = append(values, elements[start].value)
		}
		v, err := ovsdb.NativeToOvs(s.tables[op.ID.Table].columns[column].schema, s.tables[op.ID.Table].columns[column].collect(values))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column, err)
		}
		out = append(out, ovsdb.Mutation{Column: column, Mutator: m, Value: v})
	}
	return out, nil
}
