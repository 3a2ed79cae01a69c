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
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Source returns the rows that an owner should have, at the moment it is called. No rows means that nothing of the
// owner's should exist. It is called from one goroutine at a time. An error is logged and the owner tried again.
type Source func(row.Owner) ([]row.Row, error)

// Client is the connection to the database, as ovsdb.Dial makes it.
type Client interface {
	client.Client
	// Session waits for a connection and returns a context that ends when that connection is lost.
	Session(context.Context) (context.Context, error)
}

// Options says what an Engine works with.
type Options struct {
	// Client is connected to the Northbound database, with the tables of package row in its cache.
	Client Client
	// Source translates.
	Source Source
	// Owners lists all owners that should have rows; it is asked at start, after a reconnect and by an audit.
	// Owners found in the database are added, so those that nobody wants are pruned.
	Owners func() []row.Owner
	// Log receives each failure of an owner once, and its recovery.
	Log logr.Logger
	// Registerer receives the metrics woven_nbsync_*; nil means none.
	Registerer prometheus.Registerer

	// BatchInterval is how long the engine waits after the first mark for others to come; 0 means 20 ms.
	BatchInterval time.Duration
	// BatchRows is the number of rows at which a batch is full; 0 means 500.
	BatchRows int
	// AuditInterval is the time between audits; 0 means an hour.
	AuditInterval time.Duration
}

// Engine is the one writer of the Northbound database.
type Engine struct {
	Options
	inbox  *inbox
	audits chan chan auditResult

	mu      sync.Mutex
	running bool
}

// New checks the options and returns an engine that has not yet begun. Owners may be marked at once.
func New(o Options) (*Engine, error) {
	if o.Client == nil || o.Source == nil {
		return nil, errors.New("nbsync: Options need a Client and a Source")
	}
	return &Engine{Options: o}, nil
}

// Mark says that the rows of these owners may have changed. It never blocks; an owner that is marked while its
// batch is under way is looked at again.
func (e *Engine) Mark(owners ...row.Owner) {}

// MarkAll marks every owner that Options.Owners lists or that has rows in the database.
func (e *Engine) MarkAll() {}

// Run works until ctx ends, and returns its error. It first looks at all owners, so rows that nobody wants any more are
// pruned; Source must therefore know the whole state when Run is called.
func (e *Engine) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// Wait returns when every owner marked before the call is in accord with the database, or waits for a row of
// somebody else's or for its next try. For tests and readiness.
func (e *Engine) Wait(ctx context.Context) error { return nil }

// Plan returns what Run would do now for these owners, for all when none is named, and writes nothing. It needs no
// Run and does not disturb one.
func (e *Engine) Plan(ctx context.Context, owners ...row.Owner) (Plan, error) { return Plan{}, nil }

// Audit compares the whole database with a full recomputation, repairs what differs and returns how many
// operations that took. In a healthy engine it is 0. It needs Run.
func (e *Engine) Audit(ctx context.Context) (int, error) { return 0, nil }

type inbox struct{}
type auditResult struct{}

// Plan is a list of operations.
type Plan struct{}

// String reads like ovn-nbctl.
func (p Plan) String() string { return "" }
