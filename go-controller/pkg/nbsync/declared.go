package nbsync

import (
	"fmt"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// setKey names a members-only set.
type setKey struct {
	row    row.ID
	column string
}

// element is one element of a members-only set.
type element struct {
	set setKey
	// value is the text, or in a set of references the member's row.ID as text: the member may have no UUID
	// yet, and gets another one when it is made again.
	value string
	// ref says that it is a set of references.
	ref bool
}

// member returns the row that an element of a set of references stands for.
func (e element) member() (row.ID, bool) {
	if !e.ref {
		return row.ID{}, false
	}
	return row.ParseRef(e.value)
}

// declared is what all owners want, as far as it concerns others: which rows, and which elements of the sets
// that many owners share. It does not hold the rows' content, that is asked of the Source when needed.
type declared struct {
	// rows maps a row to the owner that wants it.
	rows map[row.ID]row.Owner
	// sets maps a set and an element to the owners that want it there, each as often as it says so.
	sets map[setKey]map[string][]row.Owner
	// keys maps a map column and a key to the pair that is wanted there.
	keys map[setKey]map[string]string
	// memberOf maps a row to the sets that should hold it because another owner than its own says so.
	memberOf map[row.ID][]setKey
	// owners maps an owner to its own part of the above.
	owners map[row.Owner]*declaration
	// stale counts the owners that are to take an element out.
	stale map[element]int
	// namers maps a row to the owners of rows whose expressions name it.
	namers map[row.ID][]row.Owner
	// revived holds rows that were wanted by no owner, did not go, and are wanted again. What is in their sets may be
	// of before.
	revived map[row.ID]struct{}
}

// declaration is what one owner wants.
type declaration struct {
	ids      []row.ID
	elements []element
	// names are the rows that expressions name.
	names []row.ID
	// stale holds elements that may stand in the database and that no owner wanted any more when they were noted. This
	// owner's next successful transaction takes them out.
	stale map[element]origin
	// synced says that the present declaration has been seen in the database.
	synced bool
}

func newDeclared() *declared {
	return &declared{
		rows: map[row.ID]row.Owner{}, sets: map[setKey]map[string][]row.Owner{},
		keys: map[setKey]map[string]string{}, memberOf: map[row.ID][]setKey{}, owners: map[row.Owner]*declaration{}, stale: map[element]int{},
		namers: map[row.ID][]row.Owner{}, revived: map[row.ID]struct{}{},
	}
}

// of returns an owner's declaration, a new empty one when there is none.
func (d *declared) of(o row.Owner) *declaration {
	own := d.owners[o]
	if own == nil {
		own = &declaration{}
		d.owners[o] = own
	}
	return own
}

// wants says whether anybody wants the element.
func (d *declared) wants(e element) bool { return len(d.sets[e.set][e.value]) > 0 }

// origin says how an element came to be stale.
type origin int

const (
	// undeclared elements are those that the owner itself has wanted before.
	undeclared origin = iota
	// found elements stood in the database, and it is not known which owner has wanted them before.
	found
)

// addStale notes that an owner is to take an element out.
func (d *declared) addStale(own *declaration, e element, by origin) {
	if own.stale == nil {
		own.stale = map[element]origin{}
	}
	if _, ok := own.stale[e]; !ok {
		own.stale[e] = by
		d.stale[e]++
	}
}

// dropStale takes that back.
func (d *declared) dropStale(own *declaration, e element) {
	if _, ok := own.stale[e]; !ok {
		return
	}
	delete(own.stale, e)
	if d.stale[e]--; d.stale[e] == 0 {
		delete(d.stale, e)
	}
}

// clearStale notes that an owner has taken out all that it was to.
func (d *declared) clearStale(own *declaration) {
	for e := range own.stale {
		d.dropStale(own, e)
	}
	own.stale = nil
}

// contested is the error of an owner that wants a row of another's.
type contested struct {
	id    row.ID
	owner row.Owner
}

func (e *contested) Error() string {
	return fmt.Sprintf("row %s is wanted by %s already; two owners cannot have the same row", e.id, e.owner)
}

// replace puts an owner's new declaration in the place of its old one. What it no longer declares becomes stale. It
// returns an error and changes nothing when a row is wanted by another owner already.
func (d *declared) replace(o row.Owner, ids []row.ID, elements []element, names []row.ID) error {
	for _, id := range ids {
		if other, ok := d.rows[id]; ok && other != o {
			return &contested{id: id, owner: other}
		}
	}
	for _, e := range elements {
		if err := d.disputed(o, e); err != nil {
			return err
		}
	}
	own := d.of(o)
	if !slices.Equal(own.names, names) {
		for _, id := range own.names {
			if rest := without(d.namers[id], o); len(rest) > 0 {
				d.namers[id] = rest
			} else {
				delete(d.namers, id)
			}
		}
		for _, id := range names {
			d.namers[id] = append(d.namers[id], o)
		}
		own.names = names
	}
	if slices.Equal(own.ids, ids) && slices.Equal(own.elements, elements) {
		return nil
	}
	d.remove(o, own)
	for _, id := range ids {
		d.rows[id] = o
	}
	for _, e := range elements {
		d.add(o, ids, e)
		d.dropStale(own, e)
	}
	for _, e := range own.elements {
		if !d.wants(e) {
			d.addStale(own, e, undeclared)
		}
	}
	own.ids, own.elements, own.synced = ids, elements, false
	return nil
}

// disputed returns an error if another owner wants another value at an element's key.
func (d *declared) disputed(o row.Owner, e element) error {
	key, value, ok := splitPair(e.value)
	if !ok {
		return nil
	}
	present, wanted := d.keys[e.set][key]
	if !wanted || present == e.value {
		return nil
	}
	for _, other := range d.sets[e.set][present] {
		if other != o {
			_, theirs, _ := splitPair(present)
			return fmt.Errorf("key %q of %s of %s: %s wants the value %q there already, which is not %q", key, e.set.column, e.set.row, other, theirs, value)
		}
	}
	return nil
}

// add notes an element of an owner that has the rows ids.
func (d *declared) add(o row.Owner, ids []row.ID, e element) {
	values := d.sets[e.set]
	if values == nil {
		values = map[string][]row.Owner{}
		d.sets[e.set] = values
	}
	values[e.value] = append(values[e.value], o)
	if key, _, ok := splitPair(e.value); ok {
		if d.keys[e.set] == nil {
			d.keys[e.set] = map[string]string{}
		}
		d.keys[e.set][key] = e.value
	}
	if id, ok := e.member(); ok && !slices.Contains(ids, id) {
		d.memberOf[id] = append(d.memberOf[id], e.set)
	}
}

func (d *declared) remove(o row.Owner, own *declaration) {
	for _, id := range own.ids {
		delete(d.rows, id)
		delete(d.revived, id)
	}
	for _, e := range own.elements {
		if rest := without(d.sets[e.set][e.value], o); len(rest) > 0 {
			d.sets[e.set][e.value] = rest
		} else {
			d.vanish(e)
		}
		if id, ok := e.member(); ok && !slices.Contains(own.ids, id) {
			if rest := without(d.memberOf[id], e.set); len(rest) > 0 {
				d.memberOf[id] = rest
			} else {
				delete(d.memberOf, id)
			}
		}
	}
}

// vanish forgets an element that no owner wants any more.
func (d *declared) vanish(e element) {
	if delete(d.sets[e.set], e.value); len(d.sets[e.set]) == 0 {
		delete(d.sets, e.set)
	}
	if key, _, ok := splitPair(e.value); ok {
		if delete(d.keys[e.set], key); len(d.keys[e.set]) == 0 {
			delete(d.keys, e.set)
		}
	}
}

// forget drops an owner that wants nothing and has nothing.
func (d *declared) forget(o row.Owner) {
	if own := d.owners[o]; own != nil && len(own.ids) == 0 && len(own.elements) == 0 && len(own.stale) == 0 {
		delete(d.owners, o)
	}
}

// without returns the list less one x. It may reuse the list's memory.
func without[T comparable](list []T, x T) []T {
	i := slices.Index(list, x)
	if i < 0 {
		return list
	}
	list[i] = list[len(list)-1]
	return list[:len(list)-1]
}
