package nbsync

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// run is the work during one connection. All of it happens in one goroutine.
type run struct {
	*Engine
	*state
	log logr.Logger
	// ctx ends with the engine's Run or with the connection.
	ctx    context.Context
	cancel context.CancelFunc
	queue  *queue
	// translations holds those of the owners that were heard in this turn.
	translations map[row.Owner]*translation
	// paced is when the next batch may begin, unless it is full.
	paced time.Time
	// resync is the one under way, nil when there is none.
	resync *resync
	// waiters maps a row to the owners that can do nothing until the row appears, changes or goes.
	waiters map[row.ID]map[row.Owner]struct{}
	// waiting is the reverse: an owner to the rows.
	waiting map[row.Owner][]row.ID
	// failures maps an owner to its failure.
	failures map[row.Owner]*failure
}

func (e *Engine) newRun(ctx, session context.Context) (*run, error) {
	s, err := newState(e.prepared, e.options.Client.Cache())
	if err != nil {
		return nil, err
	}
	r := &run{
		Engine: e, state: s, log: e.options.Log, queue: newQueue(e.options.Priority), waiters: map[row.ID]map[row.Owner]struct{}{},
		translations: map[row.Owner]*translation{}, waiting: map[row.Owner][]row.ID{}, failures: map[row.Owner]*failure{},
	}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithCancel(session)
	forget := context.AfterFunc(ctx, cancel)
	r.cancel = func() { forget(); cancel() }
	return r, nil
}

// serve works until the connection or the engine ends.
func (r *run) serve() {
	defer r.cancel()
	defer func() { r.resync.abandon() }()
	r.beginResync(nil)
	audit := time.NewTicker(r.options.AuditInterval)
	defer audit.Stop()
	for r.ctx.Err() == nil {
		r.collect()
		if r.queue.len() > 0 || r.resync != nil {
			r.pace()
			r.turn()
			continue
		}
		r.inbox.rest()
		select {
		case <-r.ctx.Done():
		case <-r.inbox.signal:
		case <-audit.C:
			r.audit(make(chan int, 1))
		case drift := <-r.audits:
			r.audit(drift)
		}
	}
}

// turn hears marked owners and carries out a batch. Until every marked owner has been heard it is not known what all want:
// then a batch adds and takes nothing away, and makes no set that others may have to be in.
func (r *run) turn() {
	all := r.hear()
	r.work(all)
	clear(r.translations)
	r.endResync()
}

// hear asks what marked owners want, a chunk of them, and says whether all have been heard. It looks into the inbox after
// the last question: who changes what the Source says marks all owners concerned in the same step, so a Source that has
// told of a change has its marks in the inbox.
func (r *run) hear() bool {
	for range r.options.Chunk {
		o, e, ok := r.queue.peek(unheard, true)
		if !ok {
			r.collect()
			if o, e, ok = r.queue.peek(unheard, true); !ok {
				if !r.heardAll() {
					continue
				}
				return true
			}
		}
		r.hearOwner(o, e)
	}
	return false
}

// hearOwner asks what one owner wants.
func (r *run) hearOwner(o row.Owner, e *entry) {
	r.queue.shift(e, heard)
	r.stopWaiting(o)
	t, err := r.translate(o)
	var c *contested
	if errors.As(err, &c) {
		if other := r.queue.entries[c.owner]; other != nil && other.stage == unheard {
			// The other owner may be about to give the row away.
			r.hearOwner(c.owner, other)
			t, err = r.translate(o)
		}
	}
	if err != nil {
		r.queue.remove(o)
		r.fail(o, err, Untranslated)
		return
	}
	r.understood(o)
	r.translations[o] = t
	r.queue.append(o, e)
}

// pace returns when the next batch may begin. A change that comes alone is written at once; in a burst, the time since
// the batch before is what the others have to come.
func (r *run) pace() {
	if wait := time.Until(r.paced); wait > 0 && r.queue.len() < r.options.BatchRows {
		r.pause(wait)
		r.collect()
	}
	r.paced = time.Now().Add(r.options.BatchInterval)
}

// pause lets more marks come in.
func (r *run) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
	case <-timer.C:
	}
}

// collect empties the inbox into the queue.
func (r *run) collect() {
	marked, all, events := r.inbox.take()
	r.queue.sequence++
	for o := range marked {
		r.queue.push(o)
	}
	if all {
		for o := range r.everyone() {
			r.queue.push(o)
		}
	}
	for _, e := range events {
		owners, id := r.observe(e)
		for _, o := range owners {
			r.queue.push(o)
		}
		r.wake(id)
	}
	r.metrics.queue.Set(float64(r.queue.len()))
	r.countStrangers()
}

// everyone returns the owners that Options.Owners lists, that want something, or that have rows.
func (r *run) everyone() map[row.Owner]struct{} {
	out := map[row.Owner]struct{}{}
	for _, o := range r.options.Owners() {
		out[o] = struct{}{}
	}
	for o := range r.declared.owners {
		out[o] = struct{}{}
	}
	for o := range r.owned {
		out[o] = struct{}{}
	}
	return out
}
