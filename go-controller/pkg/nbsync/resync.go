package nbsync

import (
	"slices"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// resync is a comparison of everything with a full recomputation: at a start, after a reconnect, and for an audit. It is
// the ordinary work with every owner marked, behind all other marks, so that a pod does not wait for it.
type resync struct {
	// audited receives the number of operations by which the database differed; nil for a start, where that is no drift.
	audited chan<- int
	// complete is set when every owner has been heard.
	complete bool
	// operations counts what was repaired; first is the first lines of it.
	operations int
	first      []string
}

// beginResync marks all owners for a resync. What rows there are is read from the copy of the database.
func (r *run) beginResync(audited chan<- int) {
	r.resync = &resync{audited: audited}
	r.scan(func(*table) bool { return true })
	for _, o := range sortedOwners(r.everyone()) {
		r.queue.pushBackground(o)
	}
}

// audit begins a resync with a new state that knows nothing of the old one's, so a mistake in the engine's books is mended
// too.
func (r *run) audit(audited chan<- int) {
	if r.resync != nil {
		// One that is under way has not looked at all owners since the audit was asked for.
		r.resync.abandon()
	}
	fresh, err := newState(r.wanted, r.options.Client.Cache())
	if err != nil {
		r.log.Error(err, "audit failed")
		audited <- 0
		return
	}
	marked := r.queue.entries
	r.state, r.queue = fresh, newQueue(r.options.Priority)
	for o := range marked {
		r.queue.push(o)
	}
	r.beginResync(audited)
}

// heardAll is called when every marked owner has been heard. It ends the first half of a resync, and returns false if that
// brought to light more owners to hear.
func (r *run) heardAll() bool {
	if r.resync == nil || r.resync.complete {
		return true
	}
	// The rows of tables without external_ids belong to the owners that were just heard to want them.
	r.scan(func(t *table) bool { return t.Naming == row.ByReservedName || t.Naming == row.ByPort })
	for o := range r.owned {
		if r.declared.owners[o] == nil && r.untranslated[o] == nil {
			r.queue.pushBackground(o)
		}
	}
	if r.queue.count[unheard] > 0 {
		return false
	}
	r.findStale()
	r.resync.complete = true
	// Owners that were carried out before may be the ones to take out what was found now.
	for o, own := range r.declared.owners {
		if len(own.stale) > 0 {
			r.queue.pushBackground(o)
		}
	}
	return r.queue.count[unheard] == 0
}

// endResync ends a resync whose owners have all been carried out, or wait or have failed.
func (r *run) endResync() {
	s := r.resync
	if s == nil || !s.complete || r.queue.background > 0 {
		return
	}
	r.resync = nil
	if s.audited == nil {
		return
	}
	if s.operations > 0 {
		r.log.Info("audit found differences and repaired them", "operations", s.operations, "first", strings.Join(s.first, ""))
	}
	s.audited <- s.operations
}

// abandon answers an audit that does not come to its end.
func (s *resync) abandon() {
	if s != nil && s.audited != nil {
		s.audited <- s.operations
	}
}

// drift counts the operations of a plan that only an audit has asked for.
func (r *run) drift(p Plan, b attempt) {
	if r.resync == nil || r.resync.audited == nil {
		return
	}
	for _, op := range p.Ops {
		if !slices.ContainsFunc(op.owners, func(o row.Owner) bool { return !b.background[o] }) {
			r.resync.operations++
			r.metrics.drift.WithLabelValues(op.ID.Table).Inc()
			if len(r.resync.first) < shownDrift {
				r.resync.first = append(r.resync.first, strings.Join(op.lines(), "\n")+"\n")
			}
		}
	}
}

// shownDrift is how many operations of an audit are logged.
const shownDrift = 10
