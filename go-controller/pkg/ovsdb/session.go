package ovsdb

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
)

// Backoff of reconnects: the controller should be back soon after a database that restarts, which takes about a
// second, and not flood one that is gone.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// sessions is given to libovsdb as the backoff of its reconnects, for that is the only place where libovsdb 0.8.1
// says that a connection is lost: it calls Reset before the first attempt to reconnect.
type sessions struct {
	client client.Client
	log    logr.Logger
	// remotes holds the one in use first.
	remotes []string

	mu sync.Mutex
	// current ends with the connection; nil from its loss until somebody has seen the next one.
	current context.Context
	end     context.CancelFunc
	// losses counts the connections lost.
	losses int
	delay  time.Duration
	closed bool
}

func newSessions(remotes []string, log logr.Logger) *sessions {
	s := &sessions{remotes: remotes, log: log, delay: minBackoff}
	s.current, s.end = context.WithCancel(context.Background())
	return s
}

// Reset implements backoff.BackOff: the connection is lost.
func (s *sessions) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	s.current = nil
	s.losses++
	s.delay = minBackoff
	if !s.closed {
		s.log.Info("connection lost, connecting again", "remotes", strings.Join(s.remotes, ","))
	}
}

// NextBackOff implements backoff.BackOff: an attempt has failed. The next one is with the next remote: libovsdb would
// try all of them in one attempt, in which the first that is switched off uses up the time of the others.
func (s *sessions) NextBackOff() time.Duration {
	s.mu.Lock()
	several := len(s.remotes) > 1
	s.remotes = rotate(s.remotes)
	next := s.remotes[:1]
	s.mu.Unlock()
	if several {
		s.client.UpdateEndpoints(next) // Takes libovsdb's lock.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		// libovsdb's loop cannot be ended, and panics when a backoff says so.
		return 24 * time.Hour
	}
	d := s.delay
	s.delay = min(2*s.delay, maxBackoff)
	return d
}

// lost returns the number of connections lost so far.
func (s *sessions) lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.losses
}

// lose ends the present session whose connection is found dead, unless it has ended since losses was asked for.
func (s *sessions) lose(losses int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.losses != losses {
		return false
	}
	s.end()
	s.current = nil
	s.losses++
	return true
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.end()
}

// wait returns the present connection's context, or waits for the next one. libovsdb does not say when it has
// reconnected: CurrentEndpoint is empty from the loss of a connection until the next one is complete with its
// monitors, so it is asked, only while there is no connection.
func (s *sessions) wait(ctx context.Context) (context.Context, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if current := s.connected(); current != nil {
			return current, ctx.Err()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

func (s *sessions) connected() context.Context {
	s.mu.Lock()
	current, losses := s.current, s.losses
	s.mu.Unlock()
	if current != nil {
		return current
	}
	// Not under the mutex: this waits for libovsdb's lock. Of a connection that breaks, the endpoint goes first; of one
	// that we end, the flag.
	if s.client.CurrentEndpoint() == "" || !s.client.Connected() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil && s.losses == losses && !s.closed {
		s.current, s.end = context.WithCancel(context.Background())
		s.log.Info("connected again", "remote", s.remotes[0])
	}
	return s.current
}
