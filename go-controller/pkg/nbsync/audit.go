package nbsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// survey compares everything with a full recomputation, queues the owners that are not in accord with the database,
// and returns the operations that will take.
func (r *run) survey() Plan {
	ts := r.load(r.options.Owners())
	plan, which := r.plan(newView(r.state), ts)
	busy := plan.owners()
	for _, t := range which.ready {
		if _, ok := busy[t.owner]; !ok {
			r.declared.of(t.owner).synced = true
		}
	}
	for o := range busy {
		r.queue.push(o)
	}
	for o, err := range r.untranslated {
		r.fail(o, err, "translate")
	}
	for o, err := range which.failed {
		r.block(o, err)
	}
	for o, missing := range which.waiting {
		r.wait(o, missing)
	}
	return plan
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
	plan := r.survey()
	for _, op := range plan.Ops {
		r.metrics.drift.WithLabelValues(op.ID.Table).Inc()
	}
	if !plan.Empty() {
		lines := strings.SplitAfterN(plan.String(), "\n", 11)
		r.log.Info("audit found differences; they are repaired", "operations", len(plan.Ops),
			"first", strings.Join(lines[:min(10, len(lines))], ""))
	}
	return len(plan.Ops)
}

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
