package nbsync

import (
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// view reads the database's rows for one plan. libovsdb copies a row whenever it is asked for one, with all of a set's
// elements, so the view asks once.
type view struct {
	*state
	// all says that every marked owner has been heard. If not, a row that is there is taken for one that will stay.
	all bool
	// rows maps a UUID to its row, nil when there is none.
	rows map[string]*dbRow
	// picked maps an ID to the row of ours that has it, nil when there is none.
	picked map[row.ID]*dbRow
}

// dbRow is a row of ours in the database.
type dbRow struct {
	uuid  string
	id    row.ID
	owner row.Owner
	table *table
	model model.Model
	// sets maps a members-only column to its elements, made when many are looked for.
	sets map[string]map[string]struct{}
	// looked counts how often an element was looked for.
	looked int
}

// fewLooks is how many elements are looked for one by one before an index is worth its making.
const fewLooks = 8

func newView(s *state, all bool) *view {
	return &view{state: s, all: all, rows: map[string]*dbRow{}, picked: map[row.ID]*dbRow{}}
}

// row returns a known row as the database has it, nil when it is gone.
func (v *view) row(uuid string) *dbRow {
	if f, ok := v.rows[uuid]; ok {
		return f
	}
	var f *dbRow
	if k := v.known[uuid]; k != nil {
		if m := v.cache.Table(k.id.Table).Row(uuid); m != nil {
			f = &dbRow{uuid: uuid, id: k.id, owner: k.owner, table: v.tables[k.id.Table], model: m}
		}
	}
	v.rows[uuid] = f
	return f
}

// has says whether a members-only set holds the element, which is text or a UUID.
func (f *dbRow) has(column, value string) bool {
	set, ok := f.sets[column]
	if !ok {
		list := f.table.elements(f.model, column)
		if f.looked++; f.looked <= fewLooks {
			return slices.Contains(list, value)
		}
		set = make(map[string]struct{}, len(list))
		for _, e := range list {
			set[e] = struct{}{}
		}
		if f.sets == nil {
			f.sets = map[string]map[string]struct{}{}
		}
		f.sets[column] = set
	}
	_, ok = set[value]
	return ok
}

// members counts the elements of the members-only sets.
func (f *dbRow) members() int {
	n := 0
	for _, c := range f.table.Members {
		n += len(f.table.elements(f.model, c))
	}
	return n
}

// pick returns the row of ours that has the ID, nil when there is none. Of several, which a crash or a person may have
// left, it is the one with most members, whose loss would be felt most; then the one with the lowest UUID.
func (v *view) pick(id row.ID) *dbRow {
	if f, ok := v.picked[id]; ok {
		return f
	}
	var best *dbRow
	for _, uuid := range v.uuids[id] {
		f := v.row(uuid)
		if f == nil {
			continue
		}
		if best == nil || f.members() > best.members() || f.members() == best.members() && f.uuid < best.uuid {
			best = f
		}
	}
	if best == nil {
		best = v.search(id)
	}
	v.picked[id] = best
	return best
}

// search looks in the database itself for a row of ours: one that has come so lately that its event is still on
// the way.
func (v *view) search(id row.ID) *dbRow {
	t := v.tables[id.Table]
	for _, m := range v.named(id) {
		other, owner, ok := v.identify(t, m)
		uuid := uuidOf(m)
		if !ok || other != id || v.known[uuid] != nil {
			continue
		}
		f := &dbRow{uuid: uuid, id: id, owner: owner, table: t, model: m}
		v.rows[uuid] = f
		return f
	}
	return nil
}

// intruder returns the UUID of a row of somebody else's that bears a name which the schema allows only once, or "".
func (v *view) intruder(id row.ID) string {
	if !v.tables[id.Table].Unique {
		return ""
	}
	for _, m := range v.named(id) {
		uuid := uuidOf(m)
		if _, _, ours := v.identify(v.tables[id.Table], m); !ours && v.known[uuid] == nil {
			return uuid
		}
	}
	return ""
}

// named returns the rows with this name, ours or not, by an index of the cache.
func (v *view) named(id row.ID) []model.Model {
	t := v.tables[id.Table]
	var conditions []ovsdb.Condition
	equals := func(column string, value any) {
		conditions = append(conditions, ovsdb.NewCondition(column, ovsdb.ConditionEqual, value))
	}
	switch t.Naming {
	case row.ByColumn, row.ByReservedName:
		equals(t.ColumnOfName(), id.Name)
	case row.ByPort:
		port, ip := row.SplitPortBindingName(id.Name)
		equals("logical_port", port)
		equals("ip", ip)
	default:
		marks := ovsdb.OvsMap{GoMap: map[any]any{row.NameKey: id.Name}}
		conditions = append(conditions, ovsdb.NewCondition("external_ids", ovsdb.ConditionIncludes, marks))
	}
	rows, err := v.cache.Table(id.Table).RowsByCondition(conditions)
	if err != nil {
		// The columns are those of the schema, checked when the engine connected.
		panic("nbsync: " + err.Error())
	}
	out := make([]model.Model, 0, len(rows))
	for _, m := range rows {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b model.Model) int {
		if uuidOf(a) < uuidOf(b) {
			return -1
		}
		return 1
	})
	return out
}
