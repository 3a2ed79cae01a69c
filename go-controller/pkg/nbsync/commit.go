package nbsync

import (
	"slices"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// attempt is what the parts of one batch have in common.
type attempt struct {
	// began maps an owner to the time it was marked.
	began map[row.Owner]time.Time
	// background has the owners that only a resync asks for.
	background map[row.Owner]bool
	// part says that a transaction with more owners has been refused before.
	part bool
}

func newAttempt(b *batch) attempt {
	a := attempt{began: map[row.Owner]time.Time{}, background: map[row.Owner]bool{}}
	for o, e := range b.entries {
		if e != nil && e.background {
			a.background[o] = true
		} else if e != nil {
			a.began[o] = e.since
		}
	}
	return a
}

// carryOut plans and commits translations in one transaction. When the server refuses it, the owners at fault are left
// out if the answer says which they are, and else parts of the transaction are tried on their own.
func (r *run) carryOut(v *view, ts []*translation, a attempt) {
	if len(ts) == 0 || r.ctx.Err() != nil {
		return
	}
	plan, which := r.plan(v, ts)
	for o, err := range which.failed {
		r.block(o, err)
	}
	for o, missing := range which.waiting {
		r.wait(o, missing)
		if a.part {
			// What it waits for may wait for it, in another part.
			r.retry(o)
		}
	}
	busy, written := plan.owners(), plan.written()
	var left []*translation
	for _, t := range which.ready {
		if _, ok := busy[t.owner]; ok {
			left = append(left, t)
		} else {
			r.succeed(t, which.held[t.owner], written, a)
		}
	}
	if plan.Empty() {
		return
	}
	blamed, err := r.transact(plan)
	if r.ctx.Err() != nil {
		return // Everything is compared again with the next connection.
	}
	if err == nil {
		r.drift(plan, a)
		again := r.learnFrom(plan)
		for _, t := range left {
			r.succeed(t, which.held[t.owner], written, a)
		}
		for _, o := range again {
			r.retry(o)
		}
		return
	}
	r.divide(left, blamed, err, a)
}

// divide tries parts of a refused transaction.
func (r *run) divide(ts []*translation, blamed map[row.Owner]struct{}, err error, a attempt) {
	isBlamed := func(t *translation) bool { _, ok := blamed[t.owner]; return ok }
	a.part = true
	if rest := slices.DeleteFunc(slices.Clone(ts), isBlamed); len(rest) < len(ts) {
		for _, t := range ts {
			if isBlamed(t) {
				r.fail(t.owner, err, Refused)
			}
		}
		r.carryOut(newView(r.state, true), rest, a)
		return
	}
	parts := r.inseparable(ts)
	if len(parts) < 2 {
		for _, t := range ts {
			r.fail(t.owner, err, Refused)
		}
		return
	}
	half := len(parts) / 2
	r.carryOut(newView(r.state, true), slices.Concat(parts[:half]...), a)
	r.carryOut(newView(r.state, true), slices.Concat(parts[half:]...), a)
}

// inseparable returns the translations in groups of which each can only be carried out as a whole: the owner that makes a
// set, and the owners with rows in the database that must be in it when it appears. Groups that let rows go come last.
func (r *run) inseparable(ts []*translation) [][]*translation {
	v := newView(r.state, true)
	maker := map[row.ID]int{}
	for i, t := range ts {
		for _, w := range t.rows {
			if v.pick(w.ID) == nil {
				maker[w.ID] = i
			}
		}
	}
	// A disjoint-set forest: leader maps a translation to another of its group, or to itself.
	leader := make([]int, len(ts))
	for i := range leader {
		leader[i] = i
	}
	find := func(i int) int {
		for leader[i] != i {
			i = leader[i]
		}
		return i
	}
	for i, t := range ts {
		if !r.exists(t.owner) {
			continue
		}
		for _, id := range t.needs {
			if m, ok := maker[id]; ok {
				leader[find(i)] = find(m)
			}
		}
	}
	groups := map[int][]*translation{}
	for i, t := range ts {
		groups[find(i)] = append(groups[find(i)], t)
	}
	out := make([][]*translation, 0, len(groups))
	for i := range ts {
		if g := groups[i]; g != nil {
			out = append(out, g)
		}
	}
	slices.SortStableFunc(out, func(a, b []*translation) int {
		return boolNumber(slices.ContainsFunc(a, v.releases)) - boolNumber(slices.ContainsFunc(b, v.releases))
	})
	return out
}

// owners returns those for whom the plan does anything.
func (p Plan) owners() map[row.Owner]struct{} {
	out := map[row.Owner]struct{}{}
	for _, op := range p.Ops {
		for _, o := range op.owners {
			out[o] = struct{}{}
		}
	}
	return out
}

// transact sends a plan. The error is that of the operations, or of the connection; blamed has the owners at fault, as far
// as the server's answer names them.
func (r *run) transact(plan Plan) (blamed map[row.Owner]struct{}, err error) {
	operations, err := r.operations(plan)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	results, err := r.options.Client.Transact(r.ctx, operations...)
	if err == nil {
		if err = refusal(results, operations); err != nil {
			blamed = blame(plan, results)
		}
	}
	r.metrics.transaction(plan, time.Since(start), err)
	if err != nil {
		return blamed, err
	}
	for i, op := range plan.Ops {
		if op.Kind != Insert && results[i].Count == 0 {
			// Somebody has deleted the row in the same instant. Its owners look again.
			r.push(op.owners)
		}
	}
	return nil, nil
}

// learnFrom notes what a committed plan has changed: the cache shows it already, its events come later. It returns the
// owners for whom that is not what was planned, because somebody has changed the rows in the same instant.
func (r *run) learnFrom(plan Plan) (again []row.Owner) {
	for _, op := range plan.Ops {
		switch op.Kind {
		case Insert:
			r.learn(op.UUID, op.ID, op.owners[0])
			if !r.cache.Table(op.ID.Table).HasRow(op.UUID) {
				again = append(again, op.owners[0]) // Its parent has gone.
			}
			r.wake(op.ID)
		case Update:
			if k := r.known[op.UUID]; k == nil || k.owner != op.owners[0] {
				r.learn(op.UUID, op.ID, op.owners[0])
			}
			r.wake(op.ID)
		case Delete:
			r.unlearn(op.UUID)
			r.wake(op.ID)
		case Mutate:
		}
		if k := r.known[op.UUID]; k != nil && op.fingerprint != 0 {
			k.fingerprint = op.fingerprint
		}
	}
	for _, f := range plan.released {
		if r.cache.Table(f.id.Table).HasRow(f.uuid) {
			again = append(again, f.owner) // Another parent has it, which a person has put it in.
		} else {
			r.unlearn(f.uuid)
			r.wake(f.id)
		}
	}
	return again
}

func (r *run) push(owners []row.Owner) {
	for _, o := range slices.Clone(owners) {
		r.queue.push(o)
	}
}

// succeed notes that an owner is in sync with the database, but for rows that are held by others.
func (r *run) succeed(t *translation, held []row.ID, written map[row.ID]struct{}, a attempt) {
	own := r.declared.of(t.owner)
	wasSynced := own.synced
	own.synced = true
	r.declared.clearStale(own)
	for _, id := range own.ids {
		delete(r.declared.revived, id)
	}
	for _, w := range t.rows {
		if _, ok := written[w.ID]; !ok {
			// The row may have come to be as it should by another hand than ours, so the fingerprint of what we
			// wrote last is no longer that of what should be.
			for _, uuid := range r.uuids[w.ID] {
				r.known[uuid].fingerprint = 0
			}
		}
	}
	if !wasSynced {
		for _, w := range t.rows {
			r.wake(w.ID)
		}
	}
	r.declared.forget(t.owner)
	r.recover(t.owner)
	if len(held) > 0 {
		r.wait(t.owner, held)
	} else {
		r.report(t.owner, Status{State: InSync})
	}
	if since, ok := a.began[t.owner]; ok {
		r.metrics.latency.Observe(time.Since(since).Seconds())
	}
}
