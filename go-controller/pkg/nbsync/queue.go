package nbsync

import (
	"strings"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// queue holds the owners to look at. Those that others build on come first, then pods, for a pod waits for its port
// to be started; then all others. Within a class it is first in, first out.
type queue struct {
	// since maps a queued owner to the time it was marked.
	since   map[row.Owner]time.Time
	classes [3][]row.Owner
}

func newQueue() *queue { return &queue{since: map[row.Owner]time.Time{}} }

func class(o row.Owner) int {
	kind, _, _ := strings.Cut(string(o), "/")
	switch kind {
	case "cluster", "node":
		return 0
	case "pod":
		return 1
	default:
		return 2
	}
}

func (q *queue) push(o row.Owner) {
	if _, ok := q.since[o]; ok {
		return
	}
	q.since[o] = time.Now()
	c := class(o)
	q.classes[c] = append(q.classes[c], o)
}

// pop returns the next owner and since when it is marked, false when there is none.
func (q *queue) pop() (row.Owner, time.Time, bool) {
	for c := range q.classes {
		for len(q.classes[c]) > 0 {
			o := q.classes[c][0]
			q.classes[c] = q.classes[c][1:]
			if since, ok := q.remove(o); ok {
				return o, since, true
			}
		}
	}
	// A map keeps the memory of the most that it ever held, which at the start is everything.
	q.since, q.classes = map[row.Owner]time.Time{}, [3][]row.Owner{}
	return "", time.Time{}, false
}

// remove takes an owner out of its turn. Its place in the line is skipped later.
func (q *queue) remove(o row.Owner) (time.Time, bool) {
	since, ok := q.since[o]
	delete(q.since, o)
	return since, ok
}

func (q *queue) len() int { return len(q.since) }
