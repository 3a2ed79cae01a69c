package nbsync

import (
	"context"
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
	// paced is when the next batch may begin, unless it is full.
	paced time.Time
	// waiters maps a row to the owners that can do nothing until it appears, or disappears where a stranger has
	// its name.
	waiters map[row.ID]map[row.Owner]struct{}
	// waiting is the reverse: an owner to the rows.
	waiting map[row.Owner][]row.ID
	// failures maps an owner to its failure.
	failures map[row.Owner]*failure
}

func (e *Engine) newRun(ctx, session context.Context) (*run, error) {
	s, err := newState(e.source, e.options.Client.Cache())
	if err != nil {
		return nil, err
	}
	r := &run{
		Engine: e, state: s, log: e.options.Log, queue: newQueue(), waiters: map[row.ID]map[row.Owner]struct{}{},
		waiting: map[row.Owner][]row.ID{}, failures: map[row.Owner]*failure{},
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
	r.survey(func(Plan) {})
	audit := time.NewTicker(r.options.AuditInterval)
	defer audit.Stop()
	for r.ctx.Err() == nil {
		r.collect()
		if r.queue.len() > 0 {
			r.pace()
			r.work()
			continue
		}
		r.inbox.rest()
		select {
		case <-r.ctx.Done():
		case <-r.inbox.signal:
		case <-audit.C:
			r.audit()
		case drift := <-r.audits:
			drift <- r.audit()
		}
	}
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
	for o := range marked {
		r.queue.push(o)
	}
	if all {
		for _, o := range r.options.Owners() {
			r.queue.push(o)
		}
		for o := range r.declared.owners {
			r.queue.push(o)
		}
		for o := range r.owned {
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
}
