package nbsync

import (
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// join puts the owner's rows and values into the sets that should hold them.
func (p *planner) join(t *translation) {
	for _, w := range t.rows {
		// Others may have declared it a member, too.
		keys := slices.Clone(p.declared.memberOf[w.ID])
		slices.SortFunc(keys, func(a, b setKey) int { return compareSets(a, b) })
		for _, key := range slices.Compact(keys) {
			p.ensure(t, element{set: key, value: w.ID.String(), ref: true})
		}
	}
	for _, e := range p.declared.of(t.owner).elements {
		p.ensure(t, e)
	}
}

func compareSets(a, b setKey) int {
	if c := a.row.Compare(b.row); c != 0 {
		return c
	}
	if a.column < b.column {
		return -1
	} else if a.column > b.column {
		return 1
	}
	return 0
}

// ensure adds an element to a set unless it is there. Sets of rows that are made by this plan are written by fill.
func (p *planner) ensure(t *translation, e element) {
	if _, ok := p.inserts[e.set.row]; ok {
		return
	}
	f := p.pick(e.set.row)
	if f == nil || p.released[f.uuid] != nil {
		// Whoever declared it for this row waits for the set; this owner does not depend on it.
		return
	}
	value := p.valueOf(e)
	if value == "" || f.has(e.set.column, value) {
		return
	}
	if key, _, ok := splitPair(value); ok {
		// The server's "insert" leaves the value of a key alone that is there (RFC 7047, section 5.1, <mutation>).
		if present, ok := f.table.value(f.model, e.set.column).(map[string]string)[key]; ok {
			p.drop(f, e.set.column, pair(key, present), pair(key, present), t.owner)
		}
	}
	op := p.mutate(f, t.owner)
	add := Element{Column: e.set.column, Name: e.value, value: value}
	if !slices.Contains(op.Add, add) {
		op.Add = append(op.Add, add)
	}
}

// valueOf returns an element as the database holds it, "" for a row that does not exist.
func (p *planner) valueOf(e element) string {
	if id, ok := e.member(); ok {
		return p.uuid(id)
	}
	return e.value
}

// fill writes the sets of the rows that are made: with all their members at once, whoever declared them, so that a
// port group that comes back is never there half.
func (p *planner) fill() {
	for id, op := range p.inserts {
		for _, name := range p.tables[id.Table].Members {
			var names, values []string
			for value, owners := range p.declared.sets[setKey{row: id, column: name}] {
				if !slices.ContainsFunc(owners, p.takesPart) {
					continue
				}
				e := element{set: setKey{row: id, column: name}, value: value, ref: p.tables[id.Table].columns[name].ref}
				if v := p.valueOf(e); v != "" {
					names, values = append(names, refName(value)), append(values, v)
				}
			}
			if len(values) > 0 {
				slices.Sort(values)
				c := p.tables[id.Table].columns[name]
				op.Columns = append(op.Columns, Column{Name: name, Want: c.collect(names), value: c.collect(values)})
			}
		}
	}
}

// takesPart says whether what an owner declares is in the database already or comes with this plan. The address of a
// pod whose port cannot be made must not be in a set.
func (p *planner) takesPart(o row.Owner) bool {
	_, ready := p.ready[o]
	return ready || p.declared.of(o).synced
}

// leave takes those elements out of sets that the owner has declared and that nobody wants any more; of all rows with
// the set's ID, for it is not certain which of them will stay.
func (p *planner) leave(t *translation) {
	for e := range p.declared.of(t.owner).stale {
		if p.declared.wants(e) || p.goesWithItsSet(t, e) {
			continue
		}
		for _, uuid := range p.uuids[e.set.row] {
			if f := p.row(uuid); f != nil && p.released[uuid] == nil {
				p.takeOut(f, e, t.owner)
			}
		}
	}
}

// goesWithItsSet says that an element stays in a set which no owner wants any more. The set is about to go as a whole, but
// may be named until then by a rule that still counts: taking elements out would cut off what they stand for, while
// another set that has them may not be there yet. An owner that goes, such as a deleted pod, leaves nothing behind; and
// a row that moves to another parent leaves the old one.
func (p *planner) goesWithItsSet(t *translation, e element) bool {
	if _, wanted := p.declared.rows[e.set.row]; wanted {
		return false
	}
	if f := p.pick(e.set.row); len(t.rows) == 0 && (f == nil || f.owner != t.owner) {
		return false
	}
	id, ok := e.member()
	return !ok || !slices.Contains(p.tables[id.Table].Parents, row.Column{Table: e.set.row.Table, Column: e.set.column})
}

func (p *planner) takeOut(f *dbRow, e element, o row.Owner) {
	id, ok := e.member()
	if !ok {
		p.drop(f, e.set.column, e.value, e.value, o)
		return
	}
	for _, uuid := range p.uuids[id] {
		// The server takes a row that goes out of weak references by itself.
		if p.released[uuid] != nil && f.table.columns[e.set.column].weak {
			continue
		}
		p.drop(f, e.set.column, e.value, uuid, o)
	}
}

// merge gives a row of which there were several all its members: some may have been in the others only.
func (p *planner) merge(t *translation, id row.ID) {
	for _, name := range p.tables[id.Table].Members {
		key := setKey{row: id, column: name}
		for value, owners := range p.declared.sets[key] {
			if slices.ContainsFunc(owners, p.takesPart) {
				p.ensure(t, element{set: key, value: value, ref: p.tables[id.Table].columns[name].ref})
			}
		}
	}
}

// drop removes an element from a set if it is there.
func (p *planner) drop(f *dbRow, column, name, value string, o row.Owner) {
	if !f.has(column, value) {
		return
	}
	op := p.mutate(f, o)
	remove := Element{Column: column, Name: name, value: value}
	if !slices.Contains(op.Remove, remove) {
		op.Remove = append(op.Remove, remove)
	}
}
