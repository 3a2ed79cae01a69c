// Package nbsync makes the Northbound database hold exactly the rows that the translators want: it is the only
// writer. See docs/engine.md.
//
// It is level-triggered and pull-based. Somebody marks an owner as dirty; the engine asks the Source for the rows
// that the owner should have, compares them with what the database has, and sends the fewest operations, many
// owners in one transaction. Events of the database mark owners too, so what is changed by hand comes back. An
// owner that fails is tried again for ever with backoff and holds up nobody else.
package nbsync

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Source returns the rows that an owner should have, at the moment of the call. No rows means that nothing of the
// owner's should exist. A Source changes nothing, for Engine.Plan asks it, too. It is called from one goroutine at a time. An
// error is logged and the owner tried again. The models belong to the engine from then on, which writes its marks into them.
type Source func(row.Owner) ([]row.Row, error)

// Client is a copy of the database and a connection to it, such as an ovsdb.Replica or ovsdb.Fenced.
type Client interface {
	// Cache is the copy. After Transact returns it shows what that did.
	Cache() *cache.TableCache
	// Transact carries out operations in one transaction.
	Transact(context.Context, ...ovsdb.Operation) ([]ovsdb.OperationResult, error)
	// Session waits for a connection and returns a context that ends when that connection is lost.
	Session(context.Context) (context.Context, error)
}

// Options says what an Engine works with.
type Options struct {
	// Client is connected to the Northbound database, with the tables of package row in its cache.
	Client Client
	// Source translates.
	Source Source
	// Prepare is called by Run before each question to the Source and does what the Source must not, such as giving the owner an
	// address. Its error counts as the Source's. nil means that there is nothing to prepare.
	Prepare func(row.Owner) error
	// Owners lists all owners that should have rows; it is asked at start, after a reconnect and by an audit.
	// Owners found in the database are added, so those that nobody wants are pruned.
	Owners func() []row.Owner
	// Priority orders kinds of owners: those of a lower number are carried out first. nil means that all are alike.
	Priority func(row.Owner) int
	// Report is called, in the engine's goroutine, when an owner is in sync and when anything keeps the owner from that. The same
	// status may come more than once. nil means that nothing is reported.
	Report func(row.Owner, Status)
	// Log receives each failure of an owner once, and its recovery.
	Log logr.Logger
	// Registerer receives the metrics woven_nbsync_*; nil means none.
	Registerer prometheus.Registerer

	// BatchInterval is the least time between the beginnings of two batches that are not full; 0 means 50 ms. Marks
	// that come meanwhile are carried out together: northd's work, too, is for each transaction more than for each row.
	BatchInterval time.Duration
	// BatchRows is the number of wanted rows at which a batch is full; 0 means 500.
	BatchRows int
	// Chunk is the number of owners that are translated before the engine looks at new marks; 0 means 500. So many
	// translations are kept at a time: those of 50,000 pods are more than all else that is kept.
	Chunk int
	// AuditInterval is the time between audits; 0 means an hour.
	AuditInterval time.Duration
}

// Engine is the one writer of the Northbound database. Its methods may be called from any goroutine.
type Engine struct {
	options Options
	inbox   *inbox
	metrics *metrics
	board   *board
	// audits carries requests for an audit to Run.
	audits chan chan<- int

	// translating is held while the Source is asked.
	translating sync.Mutex

	mu      sync.Mutex
	running bool
}

// New checks the options and returns an engine that has not yet begun. Owners may be marked at once.
func New(o Options) (*Engine, error) {
	if o.Client == nil || o.Source == nil {
		return nil, errors.New("nbsync: Options need a Client and a Source")
	}
	if o.Owners == nil {
		o.Owners = func() []row.Owner { return nil }
	}
	if o.BatchInterval == 0 {
		o.BatchInterval = 50 * time.Millisecond
	}
	if o.BatchRows == 0 {
		o.BatchRows = 500
	}
	if o.Chunk == 0 {
		o.Chunk = 500
	}
	if o.Priority == nil {
		o.Priority = func(row.Owner) int { return 0 }
	}
	if o.AuditInterval == 0 {
		o.AuditInterval = time.Hour
	}
	b := &board{statuses: map[row.Owner]Status{}}
	m, err := newMetrics(o.Registerer, b)
	if err != nil {
		return nil, err
	}
	return &Engine{options: o, inbox: newInbox(), metrics: m, board: b, audits: make(chan chan<- int)}, nil
}

// Mark says that the rows of these owners may have changed. It never blocks; an owner that is marked while its
// batch is under way is looked at again.
//
// Owners that one change concerns are marked by one call, in the same step in which the Source begins to show the change: no
// translation may see it before. Then what old and new state have in common is never missing on the way.
func (e *Engine) Mark(owners ...row.Owner) { e.inbox.mark(owners...) }

// MarkAll marks every owner that Options.Owners lists or that has rows in the database.
func (e *Engine) MarkAll() { e.inbox.markAll() }

// Run works until ctx ends, and returns its error. It first looks at all owners, so rows that nobody wants any more are
// pruned; Source and Owners must therefore know the whole state when Run is called. It may be called again after it has
// returned.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	for {
		session, err := e.options.Client.Session(ctx)
		if err != nil {
			return err
		}
		e.inbox.forget() // After a reconnect that is every row.
		r, err := e.newRun(ctx, session)
		if err != nil {
			return err
		}
		r.serve()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// begin makes sure that there is one Run and that the cache's events come in.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running {
		return errors.New("nbsync: Run was called twice")
	}
	e.running = true
	e.inbox.listen(e.options.Client.Cache())
	return nil
}

func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = false
	e.inbox.close()
	e.metrics.queue.Set(0)
	e.board.clear()
}

// Wait returns when all owners marked before the call have been looked at: they are in accord with the database,
// or wait for another row or for their next try. For tests and readiness.
func (e *Engine) Wait(ctx context.Context) error {
	select {
	case <-e.inbox.whenIdle():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Plan returns what Run would do now for these owners, for all when none is named, and writes nothing. It needs no
// Run and does not disturb one. Owners that wait or fail are not in the plan; the error tells of them.
func (e *Engine) Plan(ctx context.Context, owners ...row.Owner) (Plan, error) {
	if _, err := e.options.Client.Session(ctx); err != nil {
		return Plan{}, err
	}
	s, err := newState(e.asked, e.options.Client.Cache())
	if err != nil {
		return Plan{}, err
	}
	asked := s.hearAll(append(e.options.Owners(), owners...))
	if len(owners) > 0 {
		asked = owners
	}
	failed := func(o row.Owner, err error) { s.untranslated[o] = err }
	plan, which := s.plan(newView(s, true), s.translateAll(asked, failed))
	return plan, errors.Join(s.unknown(), which.err())
}

// Audit compares the whole database with a full recomputation, repairs what differs and returns how many
// operations that takes. In a healthy engine it is 0. It needs Run.
func (e *Engine) Audit(ctx context.Context) (int, error) {
	drift := make(chan int, 1)
	select {
	case e.audits <- drift:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case n := <-drift:
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// prepared is what Run asks: Options.Prepare, then Options.Source.
func (e *Engine) prepared(o row.Owner) ([]row.Row, error) {
	if e.options.Prepare != nil {
		if err := e.options.Prepare(o); err != nil {
			return nil, err
		}
	}
	return e.asked(o)
}

// asked is Options.Source for one goroutine at a time.
func (e *Engine) asked(o row.Owner) ([]row.Row, error) {
	e.translating.Lock()
	defer e.translating.Unlock()
	return e.options.Source(o)
}
