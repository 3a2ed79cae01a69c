package nbsync

import (
	"slices"

	"github.com/google/uuid"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// planner compares what owners want with what the database has, and collects the operations that make them equal.
type planner struct {
	*view
	// inserts maps a row that will be made to its operation.
	inserts map[row.ID]*Op
	// updates, mutates and deletes map a UUID to what happens to the row.
	updates, mutates, deletes map[string]*Op
	// released holds the rows that will be gone, by a delete or because their parents let them go.
	released map[string]*dbRow
	// ready holds the owners that are carried out.
	ready map[row.Owner]struct{}
}

// plan returns the operations for the translations that can be carried out now. It changes nothing.
func (s *state) plan(v *view, ts []*translation) (Plan, sorted) {
	which := v.separate(ts)
	p := &planner{
		view: v, inserts: map[row.ID]*Op{}, updates: map[string]*Op{}, mutates: map[string]*Op{}, deletes: map[string]*Op{},
		released: map[string]*dbRow{}, ready: map[row.Owner]struct{}{},
	}
	// All rows that come or go must be known before the first set is looked at.
	for _, t := range which.ready {
		p.ready[t.owner] = struct{}{}
		for _, w := range t.rows {
			p.make(t, w)
		}
	}
	for _, t := range which.ready {
		p.resolveColumns(t)
	}
	for _, t := range which.ready {
		p.release(t)
	}
	which.held = p.hold()
	for _, t := range which.ready {
		p.join(t)
		p.leave(t)
	}
	for _, t := range which.ready {
		for _, w := range t.rows {
			if len(p.uuids[w.ID]) > 1 {
				p.merge(t, w.ID)
			}
		}
	}
	for _, f := range p.released {
		p.orphan(f)
	}
	p.fill()
	return p.result(), which
}

func (p *planner) result() Plan {
	var plan Plan
	for _, op := range p.inserts {
		plan.Ops = append(plan.Ops, *op)
	}
	for _, ops := range []map[string]*Op{p.updates, p.mutates, p.deletes} {
		for _, op := range ops {
			plan.Ops = append(plan.Ops, *op)
		}
	}
	for _, f := range p.released {
		if !f.table.Root() {
			plan.released = append(plan.released, f)
		}
	}
	plan.sort()
	return plan
}

// make decides whether a wanted row has to be made. A new row gets its UUID now, so that others can refer to it.
func (p *planner) make(t *translation, w *want) {
	if p.pick(w.ID) == nil {
		p.inserts[w.ID] = &Op{Kind: Insert, ID: w.ID, UUID: uuid.NewString(), owners: []row.Owner{t.owner}}
	}
}

// uuid returns the UUID that a row has or will have, "" when there is no such row.
func (p *planner) uuid(id row.ID) string {
	if op, ok := p.inserts[id]; ok {
		return op.UUID
	}
	if f := p.pick(id); f != nil && p.released[f.uuid] == nil {
		return f.uuid
	}
	return ""
}

// resolveColumns writes the columns of the owner's new rows and those columns of its old rows that differ.
func (p *planner) resolveColumns(t *translation) {
	for _, w := range t.rows {
		op, isNew := p.inserts[w.ID]
		if !isNew {
			op = &Op{Kind: Update, ID: w.ID, UUID: p.pick(w.ID).uuid, owners: []row.Owner{t.owner}}
		}
		values := map[string]any{}
		for _, name := range w.table.Whole {
			c := p.column(w, name)
			values[name] = c.value
			if isNew && empty(c.value) || !isNew && equal(c.value, w.table.value(p.pick(w.ID).model, name)) {
				continue
			}
			op.Columns = append(op.Columns, c)
		}
		if isNew || len(op.Columns) > 0 {
			op.fingerprint = w.table.fingerprint(func(name string) any { return values[name] })
		}
		if !isNew && len(op.Columns) > 0 {
			p.updates[op.UUID] = op
		}
	}
}

// column returns the value that a column of a wanted row must have.
func (p *planner) column(w *want, name string) Column {
	v := w.table.value(w.Model, name)
	if w.table.columns[name].ref {
		return Column{Name: name, Want: v, value: resolve(v, func(text string) string {
			if id, ok := row.ParseRef(text); ok && !ovsdb.IsValidUUID(text) {
				return p.uuid(id)
			}
			return text
		})}
	}
	return Column{Name: name, Want: v, value: v}
}

// mutate returns the operation that changes the sets of a row.
func (p *planner) mutate(f *dbRow, o row.Owner) *Op {
	op := p.mutates[f.uuid]
	if op == nil {
		op = &Op{Kind: Mutate, ID: f.id, UUID: f.uuid}
		p.mutates[f.uuid] = op
	}
	if !slices.Contains(op.owners, o) {
		op.owners = append(op.owners, o)
	}
	return op
}
