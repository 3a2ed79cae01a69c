package nbsync

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// queue holds the owners to look at. An owner is heard first: the Source is asked what the owner wants. Then the owner is
// carried out. Within a stage the order is by priority, and first in, first out within a priority. Owners that only a
// resync asks for come behind all others.
type queue struct {
	priority func(row.Owner) int
	entries  map[row.Owner]*entry
	// lines holds the owners of each stage. A place in a line counts only while its entry is at that stage.
	lines [stages]map[int][]row.Owner
	// count is the number of entries at each stage; background of those that only a resync asks for.
	count      [stages]int
	background int
	// sequence is the number of the present moment: owners that are marked together share one.
	sequence uint64
	// pending counts, for each moment, the owners of that moment that still have something to add.
	pending map[uint64]int
}

// entry is one queued owner.
type entry struct {
	stage    stage
	since    time.Time
	sequence uint64
	// background says that only a resync asks for the owner.
	background bool
}

type stage int

const (
	// unheard owners have been marked, and the Source has not been asked since.
	unheard stage = iota
	// heard owners can be carried out.
	heard
	// complete owners take something away or make a set: they are carried out when all owners have been heard.
	complete
	// releasing owners let rows go: they are carried out after all owners that were marked no later.
	releasing
	stages
)

// backgroundPriority is that of owners which only a resync asks for.
const backgroundPriority = math.MaxInt

func newQueue(priority func(row.Owner) int) *queue {
	q := &queue{priority: priority, entries: map[row.Owner]*entry{}, pending: map[uint64]int{}}
	for s := range q.lines {
		q.lines[s] = map[int][]row.Owner{}
	}
	return q
}

// push marks an owner. One that was heard before is to be heard again: what it wants may have changed since.
func (q *queue) push(o row.Owner) {
	e := q.entries[o]
	switch {
	case e == nil:
		e = &entry{since: time.Now(), sequence: q.sequence}
		q.entries[o] = e
		q.pending[e.sequence]++
		q.count[unheard]++
	case e.background:
		e.background, e.since = false, time.Now()
		q.background--
		q.shift(e, unheard)
	case e.stage == unheard:
		return
	default:
		q.shift(e, unheard)
	}
	q.append(o, e)
}

// pushBackground marks an owner for a resync.
func (q *queue) pushBackground(o row.Owner) {
	if q.entries[o] == nil {
		e := &entry{since: time.Now(), sequence: q.sequence, background: true}
		q.entries[o] = e
		q.pending[e.sequence]++
		q.count[unheard]++
		q.background++
		q.append(o, e)
	}
}

func (q *queue) append(o row.Owner, e *entry) {
	p := backgroundPriority
	if !e.background {
		p = q.priority(o)
	}
	q.lines[e.stage][p] = append(q.lines[e.stage][p], o)
}

// shift counts an entry at another stage.
func (q *queue) shift(e *entry, to stage) {
	q.count[e.stage]--
	q.count[to]++
	if e.stage == releasing && to != releasing {
		q.pending[e.sequence]++
	} else if e.stage != releasing && to == releasing {
		q.settle(e)
	}
	e.stage = to
}

// settle notes that an entry has nothing to add any more.
func (q *queue) settle(e *entry) {
	if q.pending[e.sequence]--; q.pending[e.sequence] == 0 {
		delete(q.pending, e.sequence)
	}
}

// put moves an owner to a stage; e is what take or remove returned, or what the queue holds already.
func (q *queue) put(o row.Owner, e *entry, to stage) {
	if q.entries[o] == nil {
		q.entries[o] = e
		q.count[e.stage]++
		if e.stage != releasing {
			q.pending[e.sequence]++
		}
		if e.background {
			q.background++
		}
	}
	q.shift(e, to)
	q.append(o, e)
}

// peek returns the first owner of a stage, false when there is none. Owners of a resync count only if wanted.
func (q *queue) peek(s stage, background bool) (row.Owner, *entry, bool) {
	if q.count[s] == 0 {
		clear(q.lines[s])
		return row.Owner{}, nil, false
	}
	for _, p := range slices.Sorted(maps.Keys(q.lines[s])) {
		if p == backgroundPriority && !background {
			break
		}
		for line := q.lines[s][p]; len(line) > 0; line = q.lines[s][p] {
			if e := q.entries[line[0]]; e != nil && e.stage == s && e.background == (p == backgroundPriority) {
				return line[0], e, true
			}
			q.lines[s][p] = line[1:]
		}
		delete(q.lines[s], p)
	}
	return row.Owner{}, nil, false
}

// take removes and returns the next owner to carry out. all says that every owner has been heard; if not, only owners
// that add and that no resync asks for are taken.
func (q *queue) take(all bool) (row.Owner, *entry, bool) {
	best, found := row.Owner{}, (*entry)(nil)
	for _, s := range []stage{heard, complete} {
		if s == complete && !all {
			break
		}
		o, e, ok := q.peek(s, all)
		if ok && (found == nil || q.before(o, e, best, found)) {
			best, found = o, e
		}
	}
	if found == nil && all {
		if o, e, ok := q.peek(releasing, true); ok && q.mayRelease(e) {
			best, found = o, e
		}
	}
	if found == nil {
		return row.Owner{}, nil, false
	}
	return best, q.remove(best), true
}

func (q *queue) before(a row.Owner, x *entry, b row.Owner, y *entry) bool {
	if x.background != y.background {
		return y.background
	}
	return q.priority(a) < q.priority(b)
}

// mayRelease says that nothing which was marked before or together with the entry has something to add any more.
func (q *queue) mayRelease(e *entry) bool {
	for sequence := range q.pending {
		if sequence <= e.sequence {
			return false
		}
	}
	return true
}

// remove takes an owner out, whatever its stage, and returns its entry, nil if it is not queued.
func (q *queue) remove(o row.Owner) *entry {
	e := q.entries[o]
	if e == nil {
		return nil
	}
	delete(q.entries, o)
	if q.count[e.stage]--; e.stage != releasing {
		q.settle(e)
	}
	if e.background {
		q.background--
	}
	if len(q.entries) == 0 {
		// A map keeps the memory of the most that it ever held, which after a start is everything.
		empty := newQueue(q.priority)
		empty.sequence = q.sequence
		*q = *empty
	}
	return e
}

func (q *queue) len() int { return len(q.entries) }
