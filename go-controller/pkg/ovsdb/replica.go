package ovsdb

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// Replica is a copy of a database in memory, in libovsdb's cache, for who holds all of a large one and writes to it. It
// stays connected until Close. All its methods may be called from several goroutines.
//
// It differs from a Client, which is libovsdb's, in how it reads the database: row by row, instead of the whole into
// memory before the first. And RFC 7047 ties locks to a connection, of which libovsdb's client tells nothing.
type Replica struct {
	target Target
	log    logr.Logger
	cache  *cache.TableCache
	// working ends with Close.
	working context.Context
	stop    context.CancelFunc
	// tasks are what goes on until then.
	tasks sync.WaitGroup
	// remotes holds the one in use, or to be tried next, first. It belongs to who connects.
	remotes []string

	mu sync.Mutex
	// current is nil while there is no connection.
	current *connection
	// changed is closed when current changes.
	changed chan struct{}
}

// Replicate connects to a database and copies the columns of its Go types. It tries again until it succeeds or ctx
// ends, and then returns the last attempt's error: one sentence that names the database, the remote and what to do.
func Replicate(ctx context.Context, t Target, log logr.Logger) (*Replica, error) {
	r := &Replica{target: t, log: log.WithValues("database", t.Name), remotes: t.remotes(), changed: make(chan struct{})}
	r.working, r.stop = context.WithCancel(context.Background())
	first, err := firstTime(ctx, t, log, func() (*connection, error) { return r.connect(ctx) })
	if err != nil {
		r.Close()
		return nil, err
	}
	r.set(first)
	r.tasks.Go(func() { r.follow(first) })
	return r, nil
}

// connect makes a connection and copies the database. The next attempt after one that fails is with the next remote.
func (r *Replica) connect(ctx context.Context) (c *connection, err error) {
	defer func() {
		if err != nil {
			r.remotes = rotate(r.remotes)
		}
	}()
	conn, err := r.target.open(ctx, r.remotes[0])
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if c, err = r.copy(conn); err != nil {
		_ = conn.Close()
		return nil, r.target.explain(cmp.Or(ctx.Err(), err))
	}
	return c, nil
}

func (r *Replica) copy(conn net.Conn) (*connection, error) {
	i := introduce(conn)
	m, err := i.described(r.target)
	if err != nil {
		return nil, err
	}
	if r.cache == nil {
		quiet := quieten(r.log.WithName("libovsdb"))
		if r.cache, err = cache.NewTableCache(m, nil, &quiet); err != nil {
			return nil, err
		}
		// Not later: what waits in the queue of events is a second copy of the rows.
		r.tasks.Go(func() { r.cache.Run(r.working.Done()) })
	} else {
		r.cache.Purge(m)
	}
	if err := i.watch(r.target, r.cache.Populate2); err != nil {
		return nil, err
	}
	return i.established(r.cache.Populate2, func(err error) {
		r.log.Error(err, "the copy does not fit what the server tells; it is made anew")
	})
}

// follow replaces a connection that is lost by another until Close.
func (r *Replica) follow(c *connection) {
	delay := time.Duration(0)
	for {
		began := time.Now()
		r.probe(c)
		r.set(nil)
		if r.working.Err() != nil {
			return
		}
		r.log.Info("connection lost, connecting again", "remotes", strings.Join(r.remotes, ","))
		// A server that ends every connection soon is not asked for one copy after another.
		if delay = min(max(2*delay, minBackoff), maxBackoff); time.Since(began) > maxBackoff {
			delay = 0
		}
		if !pause.For(r.working, delay) {
			return
		}
		var err error
		if c, err = r.reconnect(); err != nil {
			return
		}
		r.set(c)
		r.log.Info("connected again", "remote", r.remotes[0])
	}
}

// reconnect tries one remote after another until Close. That none can be reached is told by who has lost the connection;
// every other reason is logged.
func (r *Replica) reconnect() (*connection, error) {
	told := ""
	return retry(r.working, func() (*connection, error) {
		remote := r.remotes[0]
		c, err := r.connect(r.working)
		if err == nil {
			return c, nil
		}
		var network *net.OpError
		if unreachable := errors.As(err, &network) && network.Op == "dial"; unreachable || r.working.Err() != nil {
			r.log.V(1).Info("not connected", "remote", remote, "reason", err.Error())
		} else if err.Error() != told {
			told = err.Error()
			r.log.Info("not connected yet, trying again", "remote", remote, "reason", told)
		}
		return nil, err
	})
}

// probe returns when the connection is lost or at Close, and it is closed then. Now and again it asks the server for an echo
// (RFC 7047, section 4.1.11), and takes one that gives none for gone, see probeInterval.
func (r *Replica) probe(c *connection) {
	defer func() {
		c.end()
		_ = c.rpc.Close()
		<-c.gone
	}()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-r.working.Done():
			return
		case <-c.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-answered:
			// Not waited for here: sending blocks when the server reads nothing more.
			go func() {
				_ = c.call(r.working, "echo", []any{}, new([]any)) // Any answer will do.
				answered <- struct{}{}
			}()
		default:
			return
		}
	}
}

func (r *Replica) set(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = c
	close(r.changed)
	r.changed = make(chan struct{})
}

// connection returns the present connection, or waits for the next one until ctx ends, or at Close.
func (r *Replica) connection(ctx context.Context) (*connection, error) {
	for {
		r.mu.Lock()
		c, changed := r.current, r.changed
		r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c != nil && c.Err() == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.working.Done():
			return nil, r.working.Err()
		case <-changed:
		}
	}
}

// Cache is the copy. It is empty, or not complete, while a database is copied anew: between two sessions.
func (r *Replica) Cache() *cache.TableCache { return r.cache }

// Session waits until the Replica is connected and its copy complete. The context it returns ends when this connection is
// lost, before anything is changed in the copy for another one. It returns ctx's error when that ends first.
func (r *Replica) Session(ctx context.Context) (context.Context, error) {
	c, err := r.connection(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Transact carries out operations in one transaction (RFC 7047, section 4.1.3). It waits for a connection, and for the
// reply no longer than that lasts: what was sent over one may be wrong for the next. The copy then shows what was done.
// With a session's context, or one made of it, nothing reaches a server after that session.
func (r *Replica) Transact(ctx context.Context, operations ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	c, err := r.connection(ctx)
	if err != nil {
		return nil, err
	}
	var results []ovsdb.OperationResult
	if err := c.call(ctx, "transact", ovsdb.NewTransactArgs(r.target.Name, operations...), &results); err != nil {
		return nil, err // The reply may still be on its way into results.
	}
	return results, nil
}

// Close ends the connection for good.
func (r *Replica) Close() {
	r.stop()
	r.tasks.Wait()
}

// Rows returns the rows of a table. They are the copy's own: nobody may change them.
func Rows[T any](c *cache.TableCache, table string) []*T {
	rows := c.Table(table).RowsShallow()
	out := make([]*T, 0, len(rows))
	for _, m := range rows {
		out = append(out, m.(*T))
	}
	return out
}
