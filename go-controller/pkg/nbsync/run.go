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
	r.ctx, r.cancel = context.WithCancel(session)
	context.AfterFunc(ctx, r.cancel)
	return r, nil
}

// serve works until the connection or the engine ends.
func (r *run) serve() {
	defer r.cancel()
	r.survey()
	audit := time.NewTicker(r.options.AuditInterval)
	defer audit.Stop()
	for r.ctx.Err() == nil {
		r.collect()
		if r.queue.len() > 0 {
			r.batch()
			continue
		}
		r.inbox.rest()
		select {
		case <-r.ctx.Done():
		case <-r.inbox.signal:
			r.collect()
			if r.queue.len() > 0 && r.queue.len() < r.options.BatchRows {
				r.pause(r.options.BatchInterval)
			}
		case <-audit.C:
			r.audit()
		case drift := <-r.audits:
			drift <- r.audit()
		}
	}
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

// batch takes owners from the queue until their rows fill a transaction, and carries them out.
func (r *run) batch() {
	began := map[row.Owner]time.Time{}
	var ts []*translation
	for rows := 0; rows < r.options.BatchRows; {
		o, since, ok := r.queue.pop()
		if !ok {
			break
		}
		began[o] = since
		if t := r.ask(o); t != nil {
			ts = append(ts, t)
			rows += len(t.rows) + 1
		}
	}
	v := newView(r.state)
	ts = r.companions(v, ts, began)
	r.carryOut(v, ts, attempt{began: began})
}

// ask translates one owner, nil when that fails.
func (r *run) ask(o row.Owner) *translation {
	r.stopWaiting(o)
	t, err := r.translate(o)
	if err != nil {
		r.fail(o, err, "translate")
		return nil
	}
	if _, ok := r.untranslated[o]; ok {
		delete(r.untranslated, o)
		r.loosenAll()
		for o, own := range r.declared.owners {
			if len(own.loose) > 0 {
				r.queue.push(o)
			}
		}
	}
	return t
}

// companions adds those owners whose rows the batch needs and which are queued themselves, or wait in turn for a
// row of the batch: two owners that refer to each other can only be carried out together.
func (r *run) companions(v *view, ts []*translation, began map[row.Owner]time.Time) []*translation {
	coming := map[row.ID]struct{}{}
	for _, t := range ts {
		for _, w := range t.rows {
			coming[w.ID] = struct{}{}
		}
	}
	for i := 0; i < len(ts); i++ {
		for _, id := range v.missing(ts[i], coming) {
			o, wanted := r.declared.rows[id]
			if !wanted || !r.free(o) {
				continue
			}
			if since, ok := r.queue.remove(o); ok {
				began[o] = since
			}
			if t := r.ask(o); t != nil {
				ts = append(ts, t)
				for _, w := range t.rows {
					coming[w.ID] = struct{}{}
				}
			}
		}
	}
	return ts
}

// free says whether an owner outside the batch may be taken into it: not one that has failed, whose turn comes later.
func (r *run) free(o row.Owner) bool {
	_, queued := r.queue.since[o]
	_, waits := r.waiting[o]
	return queued || waits
}
