package nbsync

import (
	"slices"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// batch is the owners that are carried out together.
type batch struct {
	ts []*translation
	// entries maps an owner of the batch to its place in the queue; nil for one that was not queued.
	entries map[row.Owner]*entry
	// inserting holds the rows that the batch wants.
	inserting map[row.ID]struct{}
	// joining has the owners without which a set that the batch makes would not be whole.
	joining map[row.Owner]bool
}

// work takes owners from the queue until their rows fill a transaction, and carries them out. all says that every marked
// owner has been heard.
func (r *run) work(all bool) {
	b := &batch{entries: map[row.Owner]*entry{}, inserting: map[row.ID]struct{}{}, joining: map[row.Owner]bool{}}
	for !r.full(b) {
		o, e, ok := r.queue.take(all)
		if !ok {
			break
		}
		r.add(b, o, e)
	}
	v := newView(r.state, all)
	r.addCompanions(v, b)
	b.ts = slices.DeleteFunc(b.ts, func(t *translation) bool { return r.postpone(v, t, b.entries[t.owner], b.joining[t.owner]) })
	r.carryOut(v, b.ts, newAttempt(b))
}

func (r *run) full(b *batch) bool {
	return len(b.inserting) >= r.options.BatchRows || len(b.entries) >= r.options.BatchRows
}

// add brings an owner into the batch.
func (r *run) add(b *batch, o row.Owner, e *entry) {
	r.stopWaiting(o)
	t := r.translations[o]
	if t == nil {
		var err error
		if t, err = r.translate(o); err != nil {
			r.fail(o, err, Untranslated)
			return
		}
		r.understood(o)
	}
	b.ts, b.entries[o] = append(b.ts, t), e
	for _, w := range t.rows {
		b.inserting[w.ID] = struct{}{}
	}
}

// understood notes that it is known what an owner wants. When that is so of all, what no owner wants can go.
func (r *run) understood(o row.Owner) {
	if _, ok := r.untranslated[o]; !ok {
		return
	}
	delete(r.untranslated, o)
	if r.resync != nil && !r.resync.complete {
		return // The resync looks for that itself.
	}
	r.findStale()
	for o, own := range r.declared.owners {
		if len(own.stale) > 0 {
			r.queue.push(o)
		}
	}
}

// addCompanions adds the owners without which the batch cannot be carried out, or must not be:
//   - those that make a row which the batch needs. Two owners that need each other's rows come together or never;
//   - those that have rows in the database and want to be in a set that the batch makes, for a set must be whole when it
//     appears, however many they are. An owner without rows, such as a new pod, comes along only while the batch has room:
//     nothing of it can be seen yet, and it is woken by the set;
//   - those whose expressions name such a set, so that it counts at once.
//
// A set that no owner wanted for a while, and that did not go, is like one that the batch makes: what is in it may be of before.
func (r *run) addCompanions(v *view, b *batch) {
	for i := 0; i < len(b.ts); i++ {
		t := b.ts[i]
		for _, id := range v.missing(t, b.inserting) {
			if o, wanted := r.declared.rows[id]; wanted {
				_, waits := r.waiting[o]
				r.accompany(b, o, waits)
			}
		}
		if !v.all {
			continue
		}
		for _, w := range t.rows {
			f := v.pick(w.ID)
			if _, revived := r.declared.revived[w.ID]; revived && f != nil {
				r.addLeavers(b, f)
			} else if f != nil {
				continue
			}
			r.addMembers(b, w)
			for _, o := range r.declared.namers[w.ID] {
				_, waits := r.waiting[o]
				r.accompany(b, o, waits)
			}
		}
	}
}

// addLeavers adds the owners that are still in the sets of a row that is wanted again, and do not want to be.
func (r *run) addLeavers(b *batch, f *dbRow) {
	k := r.known[f.uuid]
	for _, column := range f.table.Members {
		for _, value := range f.table.elements(f.model, column) {
			r.noteStale(k, column, value)
			if _, o, ok := r.unwanted(k, column, value); ok && o != f.owner {
				r.accompany(b, o, true)
				b.joining[o] = true
			}
		}
	}
}

// addMembers adds the owners that want to be in the sets of a row that the batch makes.
func (r *run) addMembers(b *batch, w *want) {
	for _, column := range w.table.Members {
		for _, owners := range r.declared.sets[setKey{row: w.ID, column: column}] {
			for _, o := range owners {
				if !r.declared.of(o).synced && (r.exists(o) || !r.full(b)) {
					r.accompany(b, o, true)
					b.joining[o] = true
				}
			}
		}
	}
}

// exists says whether an owner has anything in the database that can be seen, or may have.
func (r *run) exists(o row.Owner) bool {
	return len(r.owned[o]) > 0 || len(r.declared.of(o).ids) == 0
}

// accompany adds an owner that is queued; with always also one that is not.
func (r *run) accompany(b *batch, o row.Owner, always bool) {
	if _, ok := b.entries[o]; ok {
		return
	}
	if e := r.queue.entries[o]; e != nil && e.stage != unheard {
		r.add(b, o, r.queue.remove(o))
	} else if e == nil && always {
		r.add(b, o, nil)
	}
}

// postpone puts an owner back that must not be carried out yet, and says whether it has. Until all owners have been heard
// the engine does not know which other owners want what this one would take away, nor which owners must be in a set that
// this one would make or take up again. And a row goes only when everything that was marked before or together with it is
// there: another row may take its place. joins says that a set of the batch would not be whole without the owner.
func (r *run) postpone(v *view, t *translation, e *entry, joins bool) bool {
	if e == nil {
		e = &entry{since: time.Now(), sequence: r.queue.sequence}
	}
	switch {
	case !v.all && (v.takes(t) || v.makesSet(t) || v.revives(t)):
		r.queue.put(t.owner, e, complete)
	case v.releases(t) && !joins && !r.queue.mayRelease(e):
		r.queue.put(t.owner, e, releasing)
	default:
		return false
	}
	return true
}

// makesSet says whether an owner wants a row that is not there and that others may be members of.
func (v *view) makesSet(t *translation) bool {
	return slices.ContainsFunc(t.rows, func(w *want) bool { return len(w.table.Members) > 0 && v.pick(w.ID) == nil })
}

// revives says whether an owner wants a row again that no owner wanted for a while. Which of the elements in its sets are
// stale is known when all owners have been heard.
func (v *view) revives(t *translation) bool {
	return slices.ContainsFunc(t.rows, func(w *want) bool { _, ok := v.declared.revived[w.ID]; return ok })
}

// takes says whether an owner has something in the database that it does not want any more.
func (v *view) takes(t *translation) bool {
	return len(v.declared.of(t.owner).stale) > 0 || v.releases(t)
}

// releases says whether an owner has rows that no owner wants, or more than one of one ID, or has to take out what some other
// owner may have wanted before and is about to replace.
func (v *view) releases(t *translation) bool {
	for e, by := range v.declared.of(t.owner).stale {
		if by == found && !e.ref {
			return true
		}
	}
	for _, uuid := range v.owned[t.owner] {
		if _, wanted := v.declared.rows[v.known[uuid].id]; !wanted {
			return true
		}
	}
	return slices.ContainsFunc(t.rows, func(w *want) bool { return len(v.uuids[w.ID]) > 1 })
}
