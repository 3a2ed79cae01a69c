package nbsync

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Backoff of owners that fail. The first tries come soon, for most faults are of a moment.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// failure is an owner's series of failed tries.
type failure struct {
	// text is what was logged.
	text  string
	tries int
	timer *time.Timer
}

// fail logs an owner's error, once for each new text, and tries the owner again later.
func (r *run) fail(o row.Owner, err error, state State) {
	r.metrics.failures.WithLabelValues(string(state)).Inc()
	if own := r.declared.owners[o]; state == Untranslated && (own == nil || len(own.ids)+len(own.elements) == 0) {
		r.untranslated[o] = err // Nothing that the owner wanted before is known.
	}
	r.report(o, Status{State: state, Message: err.Error()})
	f := r.retry(o)
	if f.text != err.Error() {
		f.text = err.Error()
		r.log.Error(err, "owner cannot be brought in sync with the Northbound database; the engine tries again", "owner", o)
	}
}

// retry marks an owner again after a while, the longer the more often it has failed.
func (r *run) retry(o row.Owner) *failure {
	f := r.failures[o]
	if f == nil {
		f = &failure{}
		r.failures[o] = f
	}
	delay := min(lastRetry, firstRetry<<min(f.tries, 20))
	delay += time.Duration(rand.Int64N(int64(delay / 4)))
	f.tries++
	if f.timer != nil {
		f.timer.Stop()
	}
	f.timer = time.AfterFunc(delay, func() { r.inbox.mark(o) })
	return f
}

// recover ends an owner's series of failures.
func (r *run) recover(o row.Owner) {
	f := r.failures[o]
	if f == nil {
		return
	}
	f.timer.Stop()
	delete(r.failures, o)
	if f.text != "" {
		r.log.Info("owner is in sync with the Northbound database again", "owner", o, "tries", f.tries+1)
	}
}

// block fails an owner whose row's name a stranger has; it is tried again at once when that goes.
func (r *run) block(o row.Owner, err error) {
	var i *intrusion
	if errors.As(err, &i) {
		r.wait(o, []row.ID{i.id})
	}
	r.fail(o, err, Refused)
}

// wait keeps an owner until one of the rows appears. That is no failure: its turn comes with the row's.
func (r *run) wait(o row.Owner, missing []row.ID) {
	r.stopWaiting(o)
	r.waiting[o] = missing
	for _, id := range missing {
		if r.waiters[id] == nil {
			r.waiters[id] = map[row.Owner]struct{}{}
		}
		r.waiters[id][o] = struct{}{}
	}
	r.log.V(1).Info("owner waits for rows", "owner", o, "rows", missing)
	r.report(o, Status{State: Waiting, Rows: missing})
}

func (r *run) stopWaiting(o row.Owner) {
	for _, id := range r.waiting[o] {
		if delete(r.waiters[id], o); len(r.waiters[id]) == 0 {
			delete(r.waiters, id)
		}
	}
	delete(r.waiting, o)
}

// wake queues the owners that wait for a row.
func (r *run) wake(id row.ID) {
	for o := range r.waiters[id] {
		r.queue.push(o)
	}
}
