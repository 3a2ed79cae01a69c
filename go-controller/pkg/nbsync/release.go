package nbsync

import (
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// release finds the rows of an owner that should not be: those that nobody wants, and all but one of those with the
// same ID.
func (p *planner) release(t *translation) {
	for _, uuid := range p.owned[t.owner] {
		if f := p.row(uuid); f != nil {
			p.releaseUnwanted(f)
		}
	}
	for _, w := range t.rows {
		for _, uuid := range p.uuids[w.ID] {
			if f := p.row(uuid); f != nil {
				p.releaseUnwanted(f)
			}
		}
	}
}

func (p *planner) releaseUnwanted(f *dbRow) {
	if _, wanted := p.declared.rows[f.id]; wanted && p.pick(f.id) == f {
		return
	}
	p.released[f.uuid] = f
}

// orphan makes a released row go. A root row is deleted. Any other goes by itself when its last parent lets go of
// it, and the server refuses to delete it before: so its parents' sets are changed and nothing else.
func (p *planner) orphan(f *dbRow) {
	if f.table.Root() {
		p.deletes[f.uuid] = &Op{Kind: Delete, ID: f.id, UUID: f.uuid, owners: []row.Owner{f.owner}}
		return
	}
	for _, parent := range f.table.Parents {
		t := p.tables[parent.Table]
		if t == nil || !t.IsMembers(parent.Column) {
			continue // The parent's owner writes the column whole.
		}
		for _, holder := range p.holders(t, parent.Column, f) {
			if p.released[holder.uuid] == nil {
				p.drop(holder, parent.Column, f.id.String(), f.uuid, f.owner)
			}
		}
	}
}

// holders returns the rows whose set holds the released row. Those that its owner has declared are known; only after
// a start, or when somebody has moved the row, is the parents' table searched.
func (p *planner) holders(t *table, column string, f *dbRow) []*dbRow {
	var out []*dbRow
	for e := range p.declared.of(f.owner).stale {
		if e.set.column != column || e.set.row.Table != t.Name || e.value != f.id.String() {
			continue
		}
		if holder := p.pick(e.set.row); holder != nil && holder.has(column, f.uuid) {
			out = append(out, holder)
		}
	}
	if len(out) > 0 {
		return out
	}
	for uuid, m := range p.cache.Table(t.Name).RowsShallow() {
		if slices.Contains(t.elements(m, column), f.uuid) {
			out = append(out, p.holder(t, uuid, m))
		}
	}
	return out
}

// holder returns a parent that may be a row of somebody else's, in which a person has put our row. Our row goes out of
// it, nothing else of it is touched.
func (p *planner) holder(t *table, uuid string, m model.Model) *dbRow {
	if f := p.row(uuid); f != nil {
		return f
	}
	id, _, _ := p.identify(t, m)
	return &dbRow{uuid: uuid, id: id, table: t, model: m}
}
