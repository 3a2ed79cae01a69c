package nbsync

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// attempt is what the parts of one batch have in common.
type attempt struct {
	// began maps an owner to the time it was marked.
	began map[row.Owner]time.Time
	// part says that a transaction with more owners has been refused before.
	part bool
}

// carryOut plans and commits translations in one transaction. When the server refuses it, the halves are tried on
// their own, down to the single owner that is at fault.
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
			// What it waits for may wait for it, in the other half.
			r.retry(o)
		}
	}
	busy, written := plan.owners(), plan.written()
	var left []*translation
	for _, t := range which.ready {
		if _, ok := busy[t.owner]; ok {
			left = append(left, t)
		} else {
			r.succeed(t, written, a)
		}
	}
	if plan.Empty() {
		return
	}
	err := r.transact(plan)
	switch {
	case r.ctx.Err() != nil:
		// Everything is compared again with the next connection.
	case err == nil:
		again := r.learnFrom(plan)
		for _, t := range left {
			r.succeed(t, written, a)
		}
		for _, o := range again {
			r.retry(o)
		}
	case len(left) < 2:
		for o := range busy {
			r.fail(o, err, "transact")
		}
	default:
		a.part = true
		half := len(left) / 2
		r.carryOut(newView(r.state), left[:half], a)
		r.carryOut(newView(r.state), left[half:], a)
	}
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

// transact sends a plan. Its error is that of the operations, or of the connection.
func (r *run) transact(plan Plan) error {
	operations, err := r.operations(plan)
	if err != nil {
		return err
	}
	start := time.Now()
	results, err := r.options.Client.Transact(r.ctx, operations...)
	if err == nil {
		err = refusal(results, operations)
	}
	r.metrics.transaction(plan, time.Since(start), err)
	if err != nil {
		return err
	}
	for i, op := range plan.Ops {
		if op.Kind != Insert && results[i].Count == 0 {
			// Somebody has deleted the row in the same instant. Its owners look again.
			r.push(op.owners)
		}
	}
	return nil
}

// refusal returns why the server has not carried out a transaction: the errors of all operations that have one.
// Operations behind the first that fails have none, and an error behind the last is that of the whole.
func refusal(results []ovsdb.OperationResult, operations []ovsdb.Operation) error {
	refused, err := ovsdb.CheckOperationResults(results, operations)
	if err == nil {
		return nil
	}
	if len(refused) == 0 {
		return err
	}
	all := make([]error, 0, len(refused))
	for _, e := range refused {
		if op := e.Operation(); op != nil {
			all = append(all, fmt.Errorf("%s on %s: %w", op.Op, op.Table, e))
		} else {
			all = append(all, e)
		}
	}
	return errors.Join(all...)
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
			if k := r.known[op.UUID]; k.owner != op.owners[0] {
				r.learn(op.UUID, op.ID, op.owners[0])
			}
		case Delete:
			r.unlearn(op.UUID)
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
		}
	}
	return again
}

func (r *run) push(owners []row.Owner) {
	for _, o := range slices.Clone(owners) {
		r.queue.push(o)
	}
}

// succeed notes that an owner is in accord with the database.
func (r *run) succeed(t *translation, written map[row.ID]struct{}, a attempt) {
	own := r.declared.of(t.owner)
	own.synced, own.loose = true, nil
	for _, w := range t.rows {
		if _, ok := written[w.ID]; !ok {
			// The row may have come to be as it should by another hand than ours, so the fingerprint of what we
			// wrote last is no longer that of what should be.
			for _, uuid := range r.uuids[w.ID] {
				r.known[uuid].fingerprint = 0
			}
		}
	}
	r.declared.forget(t.owner)
	r.recover(t.owner)
	if since, ok := a.began[t.owner]; ok {
		r.metrics.latency.Observe(time.Since(since).Seconds())
	}
}
