package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cenkalti/rpc2"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// ErrFenced is the error of a transaction that the server has refused because another process has taken the lock.
var ErrFenced = errors.New("another process has taken over: its lock in the database keeps this one from writing")

// notOwner is the error of a failed assertion (RFC 7047, section 5.2.10).
const notOwner = "not owner"

// Fenced is a Replica of which, of all processes that use the same lock, only the last to take it can write. An election
// alone does not bring that about: a leader that is paused, between seeing that it leads and sending a transaction,
// sends it when it wakes, however long another leads already.
//
// It takes the lock (RFC 7047, section 4.1.9, "steal") once for each connection, and every transaction asserts that it
// still has it (section 5.2.10): the server checks that together with carrying out the transaction. Nothing is written
// for it, and a lock goes with the connection that holds it, so nobody ever waits for one that is gone.
//
// A server knows only its own locks. Of a clustered database all writers must therefore use the same member.
type Fenced struct {
	*Replica
	lock    string
	confirm func(context.Context) error
	// held is the present possession of the lock, or the last; nil before the first.
	held atomic.Pointer[possession]
	// taking is held while the lock is taken: once is enough.
	taking sync.Mutex
	// stole is the connection that took the lock last; guarded by taking.
	stole *connection
}

// possession is the time from taking the lock until the connection is lost or somebody else takes it.
type possession struct {
	context.Context
	end context.CancelFunc
}

// Fence returns a Replica that shares r's connection. lock is an identifier in the sense of RFC 7047, section 3.1. confirm
// is called each time after the lock was taken and says whether that was right: for one who is not the leader any more
// it returns an error. The order matters: who takes the lock and is then confirmed has taken it after every former
// leader, and one that is not confirmed has taken it from the present leader, but not written; that one takes it back.
func (r *Replica) Fence(lock string, confirm func(context.Context) error) *Fenced {
	return &Fenced{Replica: r, lock: lock, confirm: confirm}
}

// Session waits until the Replica is connected, its copy complete and the lock its own. The copy then shows whatever
// those before have written: the server sends it before its answer to "steal". The context ends when the connection
// is lost or somebody else takes the lock. The error is ctx's, or that of confirm.
func (f *Fenced) Session(ctx context.Context) (context.Context, error) {
	f.taking.Lock()
	defer f.taking.Unlock()
	for {
		if p := f.held.Load(); p != nil && p.Err() == nil {
			return p, ctx.Err()
		}
		c, err := f.connection(ctx)
		if err != nil {
			return nil, err
		}
		if err := f.take(ctx, c); err != nil {
			return nil, err
		}
	}
}

// Release ends the present session, if there is one: nothing more is written before the next call of Session, which takes
// the lock anew.
func (f *Fenced) Release() {
	if p := f.held.Load(); p != nil {
		p.end()
	}
}

// take takes the lock. It does nothing if the connection is lost meanwhile.
func (f *Fenced) take(ctx context.Context, c *connection) error {
	if err := f.steal(ctx, c); err != nil {
		if refused := rpc2.ServerError(""); errors.As(err, &refused) {
			return fmt.Errorf("lock %s in the database: %w", f.lock, err)
		}
		select {
		case <-ctx.Done():
		case <-c.Done(): // The connection is broken, so it ends in a moment.
		}
		return ctx.Err()
	}
	if err := f.confirm(ctx); err != nil {
		return err
	}
	p := &possession{}
	p.Context, p.end = context.WithCancel(c)
	f.held.Store(p)
	return nil
}

func (f *Fenced) steal(ctx context.Context, c *connection) error {
	if c == f.stole {
		// A server refuses to give a connection a lock that it has asked for before, also when it was stolen since. Nobody
		// waits for the lock, so nobody gets it in between.
		var none struct{}
		if err := c.call(ctx, "unlock", ovsdb.NewLockArgs(f.lock), &none); err != nil {
			return err
		}
		f.stole = nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.stole = c                     // Also when nobody waits for the answer any more.
	var reply struct{ Locked bool } // RFC 7047: always true
	return c.call(ctx, "steal", ovsdb.NewLockArgs(f.lock), &reply)
}

// Transact is Replica's, but the server carries it out only while this client has the lock. Else, or outside a session, the
// error is ErrFenced, and the session has ended.
func (f *Fenced) Transact(ctx context.Context, operations ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	assertion := ovsdb.Operation{Op: ovsdb.OperationAssert, Lock: &f.lock}
	p := f.held.Load()
	if p == nil || p.Err() != nil {
		return nil, ErrFenced
	}
	results, err := f.Replica.Transact(ctx, append([]ovsdb.Operation{assertion}, operations...)...)
	if err != nil || len(results) == 0 {
		return results, err
	}
	if results[0].Error == notOwner {
		p.end()
		return nil, ErrFenced
	}
	return results[1:], nil
}
