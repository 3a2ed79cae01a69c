package nbsync

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// observe learns from an event and returns the owners to look at, and the ID of a row that has come, gone or
// changed its name, for which somebody may wait. Events only wake: what is done about them follows from the cache.
func (s *state) observe(e event) (wake []row.Owner, id row.ID) {
	t := s.tables[e.table]
	switch {
	case t == nil:
		return nil, row.ID{}
	case e.new == nil:
		return s.gone(t, e.old)
	case e.old == nil:
		return s.came(t, e.new)
	default:
		return s.changed(t, e.old, e.new)
	}
}

func (s *state) gone(t *table, m model.Model) ([]row.Owner, row.ID) {
	uuid := uuidOf(m)
	k := s.known[uuid]
	if k == nil {
		return nil, row.ID{Table: t.Name, Name: t.name(m)}
	}
	s.unlearn(uuid)
	return []row.Owner{k.owner}, k.id
}

func (s *state) came(t *table, m model.Model) ([]row.Owner, row.ID) {
	uuid := uuidOf(m)
	if k := s.known[uuid]; k != nil {
		if s.print(t, m) == k.fingerprint || s.right(k, t, uuid) {
			return nil, k.id
		}
		return []row.Owner{k.owner}, k.id
	}
	id, owner, ok := s.identify(t, m)
	if !ok {
		return nil, row.ID{}
	}
	return append(s.adopt(t, m, id, owner), s.claimants(id, owner)...), id
}

func (s *state) changed(t *table, old, m model.Model) ([]row.Owner, row.ID) {
	uuid := uuidOf(m)
	k := s.known[uuid]
	if k == nil {
		if id, owner, ok := s.identify(t, m); ok {
			return append(s.adopt(t, m, id, owner), s.claimants(id, owner)...), id
		}
		return nil, row.ID{Table: t.Name, Name: t.name(old)}
	}
	wake := s.setsChanged(k, t, old, m)
	if now := s.print(t, m); now != k.fingerprint && now != s.print(t, old) && !s.right(k, t, uuid) {
		wake = append(wake, k.owner)
	}
	return wake, row.ID{}
}

// right says whether a row is now what we wrote or found right last, in the columns that we declare whole. An event's row
// may be past already, such as what our transaction before the last one made: the cache tells what is.
func (s *state) right(k *known, t *table, uuid string) bool {
	now := s.cache.Table(t.Name).Row(uuid)
	return now != nil && s.print(t, now) == k.fingerprint
}

// adopt notes a row that bears our marks and that we did not make, with what is in its sets. It returns the owners that are
// to take something out of these.
func (s *state) adopt(t *table, m model.Model, id row.ID, owner row.Owner) (wake []row.Owner) {
	k := s.learn(uuidOf(m), id, owner)
	for _, c := range t.Members {
		for _, v := range t.elements(m, c) {
			if o, ok := s.noteStale(k, c, v); ok {
				wake = append(wake, o)
			}
		}
	}
	return wake
}

// claimants returns who has to look at a row that bears our marks: the owner it names, and the one that wants it.
func (s *state) claimants(id row.ID, owner row.Owner) []row.Owner {
	if wanted, ok := s.declared.rows[id]; ok && wanted != owner {
		return []row.Owner{owner, wanted}
	}
	return []row.Owner{owner}
}

func (s *state) print(t *table, m model.Model) uint64 {
	return t.fingerprint(func(column string) any { return t.value(m, column) })
}

// setsChanged compares the members-only sets of a row of ours before and after. Whoever wants an element that has
// gone is woken, and the set's owner for one that nobody wants.
func (s *state) setsChanged(k *known, t *table, old, m model.Model) []row.Owner {
	var wake []row.Owner
	for _, c := range t.Members {
		removed, added := difference(t.elements(old, c), t.elements(m, c))
		key := setKey{row: k.id, column: c}
		for _, v := range removed {
			if !t.columns[c].ref {
				wake = append(wake, s.declared.sets[key][v]...)
			} else if member := s.known[v]; member != nil && len(s.declared.sets[key][member.id.String()]) > 0 {
				wake = append(wake, member.owner)
			}
		}
		for _, v := range added {
			if o, ok := s.noteStale(k, c, v); ok {
				wake = append(wake, o)
			}
		}
	}
	return wake
}

// difference returns the elements that only one of two sets has. Most changes concern an element or two of many, and
// libovsdb keeps the others in their order, so what both begin and end with is skipped first.
func difference(old, now []string) (removed, added []string) {
	for len(old) > 0 && len(now) > 0 && old[0] == now[0] {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1] == now[len(now)-1] {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	if len(old) == 0 {
		return nil, now
	}
	in := make(map[string]struct{}, len(old))
	for _, v := range old {
		in[v] = struct{}{}
	}
	for _, v := range now {
		if _, ok := in[v]; ok {
			delete(in, v)
		} else {
			added = append(added, v)
		}
	}
	for v := range in {
		removed = append(removed, v)
	}
	return removed, added
}
