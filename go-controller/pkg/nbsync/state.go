package nbsync

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// state is what the engine knows during one connection to the database. It belongs to one goroutine.
type state struct {
	wanted Source
	tables map[string]*table
	cache  *cache.TableCache
	// declared is what all owners want.
	declared *declared
	// known maps the UUID of each row of ours to what we know of it. The content is in the cache.
	known map[string]*known
	// uuids maps a row's ID to the UUIDs it has; more than one after a crash or by hand.
	uuids map[row.ID][]string
	// ours counts the known rows of each table.
	ours map[string]int
	// owned maps an owner to the UUIDs of its rows.
	owned map[row.Owner][]string
	// untranslated holds the owners whose Source has failed since the start, so that nobody knows what they
	// want. Until it is empty no element is taken out of a set just because nobody is known to want it.
	untranslated map[row.Owner]error
}

// known is what we know of a row of ours. It outlasts the row's own marks, so that a row whose marks were removed by
// hand gets them back.
type known struct {
	id    row.ID
	owner row.Owner
	// fingerprint is that of the columns declared whole when the row was last as it should be. An event whose
	// row has it tells nothing new, such as those that our own transactions cause.
	fingerprint uint64
}

func newState(wanted Source, c *cache.TableCache) (*state, error) {
	tables, err := tablesOf(c.DatabaseModel())
	if err != nil {
		return nil, err
	}
	return &state{
		wanted: wanted, tables: tables, cache: c, declared: newDeclared(),
		known: map[string]*known{}, ours: map[string]int{}, uuids: map[row.ID][]string{}, owned: map[row.Owner][]string{},
		untranslated: map[row.Owner]error{},
	}, nil
}

// hearAll asks what every owner wants, those given and those found, and returns them. s.untranslated then has those for
// which the answer is not known.
func (s *state) hearAll(owners []row.Owner) []row.Owner {
	s.scan(func(*table) bool { return true })
	all := make(map[row.Owner]struct{}, len(s.owned))
	hear := func(owners []row.Owner) {
		for _, o := range owners {
			if _, err := s.translate(o); err != nil {
				s.untranslated[o] = err
			}
			all[o] = struct{}{}
		}
	}
	hear(sortedOwners(s.owned, owners...))
	// The rows of tables without external_ids belong to the owners that were just heard to want them.
	s.scan(func(t *table) bool { return t.Naming == row.ByReservedName || t.Naming == row.ByPort })
	var found []row.Owner
	for o := range s.owned {
		if _, ok := all[o]; !ok {
			found = append(found, o)
		}
	}
	hear(found)
	s.findStale()
	return sortedOwners(all)
}

// sortedOwners returns the keys of a map, and more owners, each once. It makes the list as long as it will be: at a start
// that is every owner there is.
func sortedOwners[V any](of map[row.Owner]V, more ...row.Owner) []row.Owner {
	out := make([]row.Owner, 0, len(of)+len(more))
	for o := range of {
		out = append(out, o)
	}
	out = append(out, more...)
	slices.SortFunc(out, row.Owner.Compare)
	return slices.Compact(out)
}

// translateAll asks what owners want, but for those whose answer is not to be had. failed is called for each that
// cannot be translated now.
func (s *state) translateAll(owners []row.Owner, failed func(row.Owner, error)) []*translation {
	out := make([]*translation, 0, len(owners))
	for _, o := range owners {
		if s.untranslated[o] != nil {
			continue
		}
		if t, err := s.translate(o); err == nil {
			out = append(out, t)
		} else {
			failed(o, err)
		}
	}
	return out
}

// scan notes the rows of ours in some tables.
func (s *state) scan(which func(*table) bool) {
	for _, description := range row.Tables {
		t := s.tables[description.Name]
		if !which(t) {
			continue
		}
		for uuid, m := range s.cache.Table(t.Name).RowsShallow() {
			if id, owner, ok := s.identify(t, m); ok {
				s.learn(uuid, id, owner)
			}
		}
	}
}

// identify returns a row's ID and owner as its marks tell them, false for a row that is not ours.
func (s *state) identify(t *table, m model.Model) (row.ID, row.Owner, bool) {
	id := row.ID{Table: t.Name, Name: t.name(m)}
	switch t.Naming {
	case row.ByReservedName:
		if !isReserved(id.Name) {
			return id, row.Owner{}, false
		}
		if o, ok := s.declared.rows[id]; ok {
			return id, o, true
		}
		return id, row.Cluster, true
	case row.ByPort:
		if o, ok := s.declared.rows[id]; ok {
			return id, o, true
		}
		port := row.ID{Table: "Logical_Router_Port", Name: t.text(m, "logical_port")}
		for _, uuid := range s.uuids[port] {
			return id, s.known[uuid].owner, true
		}
		return id, row.Owner{}, false
	default:
		mark := t.externalIDs(m)[row.OwnerKey]
		return id, row.ParseOwner(mark), mark != ""
	}
}

func isReserved(name string) bool { return strings.HasPrefix(name, row.ReservedPrefix) }

// learn notes a row of ours, or that it has another ID or owner.
func (s *state) learn(uuid string, id row.ID, owner row.Owner) *known {
	s.unlearn(uuid)
	k := &known{id: id, owner: owner}
	s.known[uuid] = k
	s.ours[id.Table]++
	s.uuids[id] = append(s.uuids[id], uuid)
	s.owned[owner] = append(s.owned[owner], uuid)
	return k
}

// meet returns what is known of a row, nil for one of somebody else's. It looks at the row itself if need be: the event
// of a set may come before that of the row that has come into it.
func (s *state) meet(table, uuid string) *known {
	if k := s.known[uuid]; k != nil {
		return k
	}
	t := s.tables[table]
	if t == nil {
		return nil
	}
	if m := s.cache.Table(table).Row(uuid); m != nil {
		if id, owner, ok := s.identify(t, m); ok {
			return s.learn(uuid, id, owner)
		}
	}
	return nil
}

// unlearn forgets a row that is gone.
func (s *state) unlearn(uuid string) {
	k := s.known[uuid]
	if k == nil {
		return
	}
	delete(s.known, uuid)
	s.ours[k.id.Table]--
	if rest := without(s.uuids[k.id], uuid); len(rest) > 0 {
		s.uuids[k.id] = rest
	} else {
		delete(s.uuids, k.id)
	}
	if rest := without(s.owned[k.owner], uuid); len(rest) > 0 {
		s.owned[k.owner] = rest
	} else {
		delete(s.owned, k.owner)
	}
}

// findStale finds the elements in sets of ours that no owner wants, such as those of a pod that left a port group while
// no controller ran. Elements that are rows of a stranger's stay. A set that has none of them is as if it had been wanted all
// the time.
func (s *state) findStale() {
	had := map[row.ID]struct{}{} // the rows in whose sets there was any
	defer func() {
		maps.DeleteFunc(s.declared.revived, func(id row.ID, _ struct{}) bool { _, ok := had[id]; return !ok })
	}()
	for _, t := range s.tables {
		if len(t.Members) == 0 {
			continue
		}
		for uuid, m := range s.cache.Table(t.Name).RowsShallow() {
			k := s.known[uuid]
			if k == nil {
				continue
			}
			for _, c := range t.Members {
				for _, v := range t.elements(m, c) {
					if _, ok := s.noteStale(k, c, v); ok {
						had[k.id] = struct{}{}
					}
				}
			}
		}
	}
}

// noteStale notes that an element of a set of ours has to go if no owner wants it, unless an owner is about to take it out.
// It returns the owner that is to take it out, false if there is nothing new.
func (s *state) noteStale(set *known, column, value string) (row.Owner, bool) {
	e, o, ok := s.unwanted(set, column, value)
	if !ok || s.declared.stale[e] > 0 {
		return row.Owner{}, false
	}
	s.declared.addStale(s.declared.of(o), e, found)
	return o, true
}

// unwanted says whether no owner wants an element of a set of ours to be there; value is as the database has it. The owner
// that it returns is to take the element out: that of the row which the element stands for, since what that owner had
// before counts until it has come to what it wants now; or the set's owner for text.
func (s *state) unwanted(set *known, column, value string) (element, row.Owner, bool) {
	e := element{set: setKey{row: set.id, column: column}, value: value, ref: s.tables[set.id.Table].columns[column].ref}
	o := set.owner
	if e.ref {
		member := s.meet(s.tables[set.id.Table].columns[column].refTable, value)
		if member == nil || s.untranslated[member.owner] != nil {
			return e, row.Owner{}, false
		}
		e.value, o = member.id.String(), member.owner
	}
	return e, o, len(s.untranslated) == 0 && !s.declared.wants(e)
}

// unknown returns the failures of the owners that could not be translated.
func (s *state) unknown() error {
	return errors.Join(slices.Collect(maps.Values(s.untranslated))...)
}
