package nbsync

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// State says how an owner and the database are to each other.
type State string

const (
	// InSync means that the database has what the owner wants.
	InSync State = "in sync"
	// Waiting means that the owner can do nothing until other rows appear, change or go.
	Waiting State = "waiting"
	// Refused means that the server has refused the owner's rows, or that a row of a stranger's has the name of one.
	Refused State = "refused"
	// Untranslated means that the Source has returned an error or rows that cannot be.
	Untranslated State = "untranslated"
)

// states lists those that are worth a look.
var states = []State{Waiting, Refused, Untranslated}

// Status is how an owner and the database are to each other.
type Status struct {
	State State
	// Rows are those that a waiting owner waits for.
	Rows []row.ID
	// Message is the error of a refused or untranslated owner.
	Message string
	// Since is when the owner came to be in this state.
	Since time.Time
}

// Status returns an owner's status. An owner that has nothing in the database and wants nothing is in sync.
func (e *Engine) Status(o row.Owner) Status { return e.board.of(o) }

// Statuses returns all owners that are not in sync.
func (e *Engine) Statuses() map[row.Owner]Status { return e.board.all() }

// board holds the status of every owner that is not in sync.
type board struct {
	mu       sync.Mutex
	statuses map[row.Owner]Status
}

func (b *board) of(o row.Owner) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.statuses[o]; ok {
		return s
	}
	return Status{State: InSync}
}

func (b *board) all() map[row.Owner]Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.statuses)
}

// set notes a status and returns it, with the time since when the owner is in that state.
func (b *board) set(o row.Owner, s Status) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Since = time.Now()
	if before, ok := b.statuses[o]; ok && before.State == s.State {
		s.Since = before.Since
	}
	if s.State == InSync {
		delete(b.statuses, o)
	} else {
		b.statuses[o] = s
	}
	return s
}

// clear forgets all, when nothing works any more.
func (b *board) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.statuses)
}

// report notes an owner's status and passes it on.
func (e *Engine) report(o row.Owner, s Status) {
	s = e.board.set(o, s)
	if e.options.Report != nil {
		e.options.Report(o, s)
	}
}

var ownersInState = prometheus.NewDesc("woven_nbsync_owners", "Owners that are not in sync with the Northbound database, by state.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (b *board) Describe(c chan<- *prometheus.Desc) { c <- ownersInState }

// Collect implements prometheus.Collector.
func (b *board) Collect(c chan<- prometheus.Metric) {
	count := map[State]int{}
	for _, s := range b.all() {
		count[s.State]++
	}
	for _, state := range states {
		c <- prometheus.MustNewConstMetric(ownersInState, prometheus.GaugeValue, float64(count[state]), string(state))
	}
}
