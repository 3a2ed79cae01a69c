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

	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// How long one attempt to connect may take, and one to connect again, which includes the copy of the database.
const (
	connectTimeout   = 5 * time.Second
	reconnectTimeout = 30 * time.Second
)

// Client is a libovsdb client that stays connected until Close. All its methods may be called from several
// goroutines.
type Client struct {
	client.Client
	sessions *sessions
	// stop ends the probe.
	stop context.CancelFunc
}

// Dial connects to a database and starts to watch what the options say, such as client.WithTable(&nb.NAT{}) or
// client.WithConditionalTable; without any, all tables of the model. Of a table for which an option names no columns,
// those of its Go type are watched. It tries again until it succeeds or ctx ends, and
// then returns the last attempt's error: one sentence that names the database, the remote and what to do.
func Dial(ctx context.Context, t Target, log logr.Logger, watch ...client.MonitorOption) (*Client, error) {
	remotes := t.remotes()
	return firstTime(ctx, t, log, func() (*Client, error) {
		c, err := dial(ctx, t, remotes, log, watch)
		remotes = rotate(remotes)
		return c, err
	})
}

// firstTime tries to connect until that succeeds or ctx ends, and then returns the last attempt's error. Each new reason
// is logged.
func firstTime[T any](ctx context.Context, t Target, log logr.Logger, attempt func() (T, error)) (T, error) {
	var last error
	return retry(ctx, func() (T, error) {
		c, err := attempt()
		switch {
		case err == nil:
		case ctx.Err() != nil && last != nil:
			err = last // This attempt was cut short and tells less.
		case ctx.Err() == nil && (last == nil || err.Error() != last.Error()):
			log.Info("not connected yet, trying again", "database", t.Name, "reason", err.Error())
		}
		last = err
		return c, err
	})
}

// retry makes attempts, with growing pauses, until one succeeds or ctx ends, and then returns the last one's error.
func retry[T any](ctx context.Context, attempt func() (T, error)) (T, error) {
	for delay := minBackoff; ; delay = min(2*delay, maxBackoff) {
		result, err := attempt()
		if err == nil {
			return result, nil
		}
		if !pause.For(ctx, delay) {
			return result, err
		}
	}
}

// dial makes one attempt, with the first of the remotes.
func dial(ctx context.Context, t Target, remotes []string, log logr.Logger, watch []client.MonitorOption) (*Client, error) {
	s := newSessions(remotes, log.WithValues("database", t.Name))
	quiet := quieten(log.WithName("libovsdb"))
	options := []client.Option{
		client.WithLogger(&quiet),
		client.WithReconnect(reconnectTimeout, s),
		client.WithEndpoint(remotes[0]),
	}
	if strings.HasPrefix(remotes[0], client.SSL+":") || strings.Contains(t.Remote, ","+client.SSL+":") {
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
	if err := start(ctx, t, inner, watch); err != nil {
		inner.Close()
		return nil, t.explain(err)
	}
	c := &Client{Client: inner, sessions: s}
	var probing context.Context
	probing, c.stop = context.WithCancel(context.Background())
	go c.probe(probing, probeInterval)
	return c, nil
}

// start begins the one monitor of a connection. Its method is monitor_cond and not monitor_cond_since: with the
// latter libovsdb 0.8.1 keeps its cache over a reconnect and neither notices nor repairs one that has gone wrong.
func start(ctx context.Context, t Target, c client.Client, watch []client.MonitorOption) error {
	m := c.NewMonitor(watch...)
	if len(watch) == 0 {
		for table := range t.Model.Types() {
			m.Tables = append(m.Tables, client.TableMonitor{Table: table})
		}
	}
	for i, table := range m.Tables {
		if len(table.Fields) == 0 { // For libovsdb that means all columns that the server has.
			m.Tables[i].Fields = t.columns(table.Table)
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
	c.stop()
	c.sessions.close()
	c.Client.Close()
}

// Transact is libovsdb's, but waits for a reply no longer than the connection lasts, nor for another connection: what
// was sent for one may be wrong for the next. Its error is then that of the connection.
func (c *Client) Transact(ctx context.Context, operations ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(session, cancel)()
	return c.Client.Transact(ctx, operations...)
}

// Session waits until the client is connected and its cache complete. The context it returns ends when this
// connection is lost, before libovsdb makes another one: a transaction that is made from the cache and sent
// with this context never reaches a server whose content it does not know. It returns ctx's error when that
// ends first.
func (c *Client) Session(ctx context.Context) (context.Context, error) {
	return c.sessions.wait(ctx)
}
