package nbsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// survey compares everything with a full recomputation, queues the owners that are not in accord with the database, and
// tells the operations that will take. Nearly all owners are in accord with it: they are compared right after they were
// translated, and only the others are translated again when it is known what all want.
func (r *run) survey(tell func(Plan)) {
	rows := map[string]map[string]model.Model{}
	view := func() *view {
		v := newView(r.state)
		v.all = rows
		return v
	}
	var settled []row.Owner
	relied := map[row.ID]struct{}{} // what the settled need
	all := r.load(r.options.Owners(), func(ts []*translation) bool {
		v := view()
		v.early = true
		plan, which := r.plan(v, ts)
		accorded, _ := which.accorded(plan)
		for _, t := range accorded {
			settled = append(settled, t.owner)
			for _, id := range t.needs {
				relied[id] = struct{}{}
			}
		}
		return r.ctx.Err() == nil
	})
	for _, o := range r.reliable(view(), settled, relied) {
		r.declared.of(o).synced = true
	}
	rest := slices.DeleteFunc(all, func(o row.Owner) bool {
		own := r.declared.owners[o]
		return own != nil && own.synced && len(own.loose) == 0
	})
	// What one of them makes the others need not wait for: else a set that is missing would not come back with all its members.
	coming := map[row.ID]struct{}{}
	for _, o := range rest {
		if own := r.declared.owners[o]; own != nil {
			for _, id := range own.ids {
				coming[id] = struct{}{}
			}
		}
	}
	for some := range slices.Chunk(rest, lookedAtOnce) {
		if r.ctx.Err() != nil {
			return // The copy is not what it was.
		}
		ts := r.translateAll(some, func(o row.Owner, err error) { r.fail(o, err, "translate") })
		v := view()
		v.coming = coming
		plan, which := r.plan(v, ts)
		accorded, busy := which.accorded(plan)
		for _, t := range accorded {
			r.declared.of(t.owner).synced = true
		}
		for o := range busy {
			r.queue.push(o)
		}
		for o, err := range which.failed {
			r.block(o, err)
		}
		for o, missing := range which.waiting {
			r.wait(o, missing)
		}
		tell(plan)
	}
	for o, err := range r.untranslated {
		r.fail(o, err, "translate")
	}
}

// reliable returns the settled owners if all rows that they rely on stay as they are, and none if one is about to go or to
// get another owner: then each must be looked at again.
func (r *run) reliable(v *view, settled []row.Owner, relied map[row.ID]struct{}) []row.Owner {
	for id := range relied {
		if f := v.pick(id); f == nil || v.declared.rows[id] != f.owner && v.untranslated[f.owner] == nil {
			return nil
		}
	}
	return settled
}

// audit is a survey with a new state that knows nothing of the old one's. It takes the old one's place, so a mistake in
// the engine's books is mended too. It returns the number of operations by which the database differs.
func (r *run) audit() int {
	fresh, err := newState(r.wanted, r.options.Client.Cache())
	if err != nil {
		r.log.Error(err, "audit failed")
		return 0
	}
	r.state = fresh
	var first []string
	differing := map[string]Op{} // One of several plans' operations on a row is enough.
	r.survey(func(plan Plan) {
		for _, op := range plan.Ops {
			differing[string(op.Kind)+op.UUID] = op
		}
		for line := range strings.Lines(plan.String()) {
			if len(first) < shownDrift {
				first = append(first, line)
			}
		}
	})
	if r.ctx.Err() != nil {
		return 0 // The comparison was with a copy that was not complete.
	}
	for _, op := range differing {
		r.metrics.drift.WithLabelValues(op.ID.Table).Inc()
	}
	if len(differing) > 0 {
		r.log.Info("audit found differences; they are repaired", "operations", len(differing), "first", strings.Join(first, ""))
	}
	return len(differing)
}

// shownDrift is how many lines of what an audit found are logged.
const shownDrift = 10

// err returns why translations cannot be carried out now, nil when all can.
func (w sorted) err() error {
	if len(w.waiting)+len(w.failed) == 0 {
		return nil
	}
	var lines []string
	for _, o := range slices.Sorted(maps.Keys(w.waiting)) {
		lines = append(lines, fmt.Sprintf("%s waits for %s", o, names(w.waiting[o])))
	}
	for _, o := range slices.Sorted(maps.Keys(w.failed)) {
		lines = append(lines, fmt.Sprintf("%s: %v", o, w.failed[o]))
	}
	return fmt.Errorf("%s", strings.Join(lines, "\n"))
}

func names(ids []row.ID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return strings.Join(out, ", ")
}
