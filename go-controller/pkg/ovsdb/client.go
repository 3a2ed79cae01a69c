package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// How long a silent server is given before an echo is sent, and how long one attempt to connect may take.
// The second must be the shorter one, libovsdb asks for it.
const (
	inactivityProbe = 10 * time.Second
	connectTimeout  = 5 * time.Second
)

// Client is a libovsdb client that stays connected until Close. All its methods may be called from several
// goroutines.
type Client struct {
	client.Client
	sessions *sessions
}

// Dial connects to a database and starts to watch what the options say, such as client.WithTable(&nb.NAT{}) or
// client.WithConditionalTable; without any, all tables of the model. It tries again until it succeeds or ctx ends, and
// then returns the last attempt's error: one sentence that names the database, the remote and what to do.
func Dial(ctx context.Context, t Target, log logr.Logger, watch ...client.MonitorOption) (*Client, error) {
	delay := 100 * time.Millisecond
	said := ""
	for {
		c, err := dial(ctx, t, log, watch)
		if err == nil {
			return c, nil
		}
		if err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			log.Info("not connected yet, trying again", "database", t.Name, "reason", said)
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
			delay = min(2*delay, maxBackoff)
		}
	}
}

func dial(ctx context.Context, t Target, log logr.Logger, watch []client.MonitorOption) (*Client, error) {
	s := newSessions()
	// libovsdb's own lines are for its debugging: raise them above what "debug" shows.
	quiet := log.WithName("libovsdb").V(1)
	options := []client.Option{
		client.WithLogger(&quiet),
		client.WithInactivityCheck(inactivityProbe, connectTimeout, s),
	}
	for _, e := range t.endpoints() {
		options = append(options, client.WithEndpoint(e))
	}
	if strings.Contains(t.Remote, client.SSL+":") {
		tlsConfig, err := t.tls()
		if err != nil {
			return nil, err
		}
		options = append(options, client.WithTLSConfig(tlsConfig))
	}
	inner, err := client.NewOVSDBClient(t.Model, options...)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", t.Name, err)
	}
	s.client = inner

	attempt, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := inner.Connect(attempt); err != nil {
		inner.Close()
		return nil, t.explain(err)
	}
	// The first copy of a large database takes longer than a connection, so only ctx limits it.
	if err := start(ctx, inner, watch); err != nil {
		inner.Close()
		return nil, t.explain(err)
	}
	return &Client{Client: inner, sessions: s}, nil
}

// start begins the one monitor of a connection. Its method is monitor_cond and not monitor_cond_since: with the
// latter libovsdb 0.8.1 keeps its cache over a reconnect and neither notices nor repairs one that has gone wrong.
func start(ctx context.Context, c client.Client, watch []client.MonitorOption) error {
	m := c.NewMonitor(watch...)
	if len(watch) == 0 {
		for table := range c.Cache().DatabaseModel().Types() {
			m.Tables = append(m.Tables, client.TableMonitor{Table: table})
		}
	}
	m.Method = ovsdb.ConditionalMonitorRPC
	if err := errors.Join(m.Errors...); err != nil {
		return err
	}
	_, err := c.Monitor(ctx, m)
	return err
}

// Close ends the connection for good.
func (c *Client) Close() {
	c.sessions.close()
	c.Client.Close()
}

// Session waits until the client is connected and its cache complete. The context it returns ends when this
// connection is lost, before libovsdb makes another one: a transaction that is made from the cache and sent
// with this context never reaches a server whose content it does not know. It returns ctx's error when that
// ends first.
func (c *Client) Session(ctx context.Context) (context.Context, error) {
	return c.sessions.wait(ctx)
}
