package nbsync

import (
	"errors"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// batch is the owners that are carried out together.
type batch struct {
	ts []*translation
	// coming holds the rows they want.
	coming map[row.ID]struct{}
	// began maps an owner to the time it was marked.
	began map[row.Owner]time.Time
}

// work takes owners from the queue until their rows fill a transaction, and carries them out.
func (r *run) work() {
	b := &batch{coming: map[row.ID]struct{}{}, began: map[row.Owner]time.Time{}}
	for len(b.coming) < r.options.BatchRows && len(b.began) < r.options.BatchRows {
		o, since, ok := r.queue.pop()
		if !ok {
			break
		}
		r.add(b, o, since)
	}
	v := newView(r.state)
	r.addCompanions(v, b)
	r.carryOut(v, b.ts, attempt{began: b.began})
}

// add translates an owner into the batch.
func (r *run) add(b *batch, o row.Owner, since time.Time) {
	r.stopWaiting(o)
	t, err := r.translate(o)
	var c *contested
	if errors.As(err, &c) {
		if s, queued := r.queue.remove(c.owner); queued {
			// The other owner may be about to give the row away.
			r.add(b, c.owner, s)
			t, err = r.translate(o)
		}
	}
	if err != nil {
		r.fail(o, err, "translate")
		return
	}
	r.understood(o)
	b.ts, b.began[o] = append(b.ts, t), since
	for _, w := range t.rows {
		b.coming[w.ID] = struct{}{}
	}
}

// understood notes that it is known what an owner wants. When that is so of all, what nobody wants can go.
func (r *run) understood(o row.Owner) {
	if _, ok := r.untranslated[o]; !ok {
		return
	}
	delete(r.untranslated, o)
	r.loosenAll()
	for o, own := range r.declared.owners {
		if len(own.loose) > 0 {
			r.queue.push(o)
		}
	}
}

// addCompanions adds those owners whose rows the batch needs and which are queued themselves, or wait in turn for a
// row of the batch: two owners that refer to each other can only be carried out together. An owner that has failed is
// left out, its turn comes later.
func (r *run) addCompanions(v *view, b *batch) {
	for i := 0; i < len(b.ts); i++ {
		for _, id := range v.missing(b.ts[i], b.coming) {
			o, wanted := r.declared.rows[id]
			if !wanted {
				continue
			}
			if since, queued := r.queue.remove(o); queued {
				r.add(b, o, since)
			} else if _, waits := r.waiting[o]; waits {
				r.add(b, o, time.Now())
			}
		}
	}
}
