package nbsync

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// translation is what the Source says about one owner.
type translation struct {
	owner row.Owner
	rows  []*want
	// needs lists the rows without which this owner can do nothing: those it refers to.
	needs []row.ID
}

// want is one row that should exist.
type want struct {
	row.Row
	table *table
}

// translate asks the Source, checks what it says and notes it in s.declared. The checks find mistakes of a translator
// that the server would refuse with a worse message, or not refuse but act upon.
func (s *state) translate(o row.Owner) (*translation, error) {
	rows, err := s.wanted(o)
	if err != nil {
		return nil, err
	}
	t, mark := &translation{owner: o}, o.String()
	var ids []row.ID
	var elements []element
	var names []row.ID
	for _, r := range rows {
		w, err := s.check(mark, r)
		if err != nil {
			return nil, err
		}
		own, err := s.elementsOf(w)
		if err != nil {
			return nil, err
		}
		t.rows = append(t.rows, w)
		ids = append(ids, r.ID)
		elements = append(elements, own...)
		t.needs = append(t.needs, w.references()...)
		for _, column := range w.table.Expressions {
			names = append(names, namesIn(textOf(reflect.ValueOf(w.table.value(w.Model, column))))...)
		}
		for _, e := range own {
			t.needs = append(t.needs, e.set.row)
			if id, ok := e.member(); ok && id != r.ID {
				t.needs = append(t.needs, id)
			}
		}
	}
	slices.SortFunc(names, row.ID.Compare)
	names = slices.Compact(names)
	t.needs = append(t.needs, names...)
	slices.SortFunc(t.needs, row.ID.Compare)
	t.needs = slices.Compact(t.needs)
	if err := adopted(t); err != nil {
		return nil, err
	}
	return t, s.declare(o, ids, elements, names)
}

// declare notes what an owner wants, and which of its rows were wanted by no owner although they are in the database.
func (s *state) declare(o row.Owner, ids []row.ID, elements []element, names []row.ID) error {
	var revived []row.ID
	for _, id := range ids {
		if _, wanted := s.declared.rows[id]; !wanted && len(s.uuids[id]) > 0 {
			revived = append(revived, id)
		}
	}
	if err := s.declared.replace(o, ids, elements, names); err != nil {
		return err
	}
	for _, id := range revived {
		if len(s.tables[id.Table].Members) > 0 {
			s.declared.revived[id] = struct{}{}
		}
	}
	return nil
}

// check makes sure that the row is of a known table, has its table's struct and its ID's name, and stamps it with the owner.
func (s *state) check(owner string, r row.Row) (*want, error) {
	t, ok := s.tables[r.ID.Table]
	switch {
	case !ok:
		return nil, fmt.Errorf("row %s: no such table in package row", r.ID)
	case r.ID.Name == "":
		return nil, fmt.Errorf("row of table %s has an ID without a name", r.ID.Table)
	case reflect.TypeOf(r.Model) != t.model || reflect.ValueOf(r.Model).IsNil():
		return nil, fmt.Errorf("row %s: its model is %T, want %v", r.ID, r.Model, t.model)
	case t.Naming == row.ByReservedName && !isReserved(r.ID.Name):
		return nil, fmt.Errorf("row %s: names of ours begin with %q in this table", r.ID, row.ReservedPrefix)
	}
	if t.Naming != row.ByExternalID && t.name(r.Model) != r.ID.Name {
		return nil, fmt.Errorf("row %s: its model is named %q; it must have the ID's name", r.ID, t.name(r.Model))
	}
	if group, ok := generated(r.ID.Name); ok && r.ID.Table == addressSets {
		return nil, fmt.Errorf("row %s: northd makes a set of this name for the port group %s; choose another", r.ID, group)
	}
	t.stamp(r, owner)
	w := &want{Row: r, table: t}
	return w, w.legible()
}

// elementsOf returns the elements of members-only sets that a row declares: by its memberships, and by the elements
// that its model lists itself.
func (s *state) elementsOf(w *want) ([]element, error) {
	var out []element
	for _, m := range w.In {
		t, ok := s.tables[m.Set.Table]
		if !ok || !t.IsMembers(m.Column) {
			return nil, fmt.Errorf("row %s: %s of %s is no members-only column", w.ID, m.Column, m.Set.Table)
		}
		e := element{set: setKey{row: m.Set, column: m.Column}, value: m.Value, ref: t.columns[m.Column].ref}
		if pairs := t.columns[m.Column].pairs; pairs != (m.Key != "") {
			return nil, fmt.Errorf("row %s: its membership in %s of %s has the key %q; maps have keys and sets have none", w.ID, m.Column, m.Set, m.Key)
		} else if pairs {
			e.value = pair(m.Key, m.Value)
		} else if m.Value == "" {
			if !e.ref {
				return nil, fmt.Errorf("row %s: its membership in %s of %s needs a value", w.ID, m.Column, m.Set)
			}
			e.value = w.ID.String()
		}
		out = append(out, e)
	}
	for _, c := range w.table.Members {
		for _, v := range w.table.elements(w.Model, c) {
			out = append(out, element{set: setKey{row: w.ID, column: c}, value: v, ref: w.table.columns[c].ref})
		}
	}
	return out, nil
}

// references returns the rows that the columns declared whole refer to.
func (w *want) references() []row.ID {
	var out []row.ID
	for _, name := range w.table.Whole {
		if !w.table.columns[name].ref {
			continue
		}
		resolve(w.table.value(w.Model, name), func(text string) string {
			if id, ok := row.ParseRef(text); ok && !ovsdb.IsValidUUID(text) {
				out = append(out, id)
			}
			return text
		})
	}
	return out
}

// adopted makes sure that every row of a table that is not root has a parent: the server would delete it at the end
// of the very transaction that makes it, and report success.
func adopted(t *translation) error {
	for _, w := range t.rows {
		if w.table.Root() || slices.ContainsFunc(w.In, w.isParent) {
			continue
		}
		if !slices.Contains(t.needs, w.ID) {
			return fmt.Errorf("row %s: it is in no set of its parents %v; the server would delete it at once", w.ID, w.table.Parents)
		}
	}
	return nil
}

func (w *want) isParent(m row.Membership) bool {
	return m.Value == "" && slices.Contains(w.table.Parents, row.Column{Table: m.Set.Table, Column: m.Column})
}
