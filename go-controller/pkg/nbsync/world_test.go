package nbsync

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// world is an ovsdb-server, an engine that writes to it, what the engine should write, and an administrator with a
// connection of his own.
type world struct {
	t      testing.TB
	server *ovsdbtest.Server
	engine *Engine
	admin  *ovsdb.Client
	stop   context.CancelFunc

	mu sync.Mutex
	// rows maps an owner to what it should have.
	rows map[row.Owner][]row.Row
	// broken maps an owner to the error of its translation.
	broken map[row.Owner]error
	asked  map[row.Owner]int
	// before, when set, is called by the engine before each transaction it sends.
	before func()
	// after, when set, is called after each transaction that the engine has sent.
	after func()
	// report, when set, is the engine's.
	report func(row.Owner, Status)
	// batchRows and chunk are options of the engine; 0 means its own choice.
	batchRows, chunk int
	// errors holds the lines that the engine has logged as errors.
	errors []string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, server: ovsdbtest.Start(t, schema.Northbound), rows: map[row.Owner][]row.Row{}, broken: map[row.Owner]error{}, asked: map[row.Owner]int{}}
	w.admin = w.dial()
	return w
}

func (w *world) target() ovsdb.Target {
	target, err := ovsdb.Northbound(config.OVN{Northbound: w.server.Remote})
	require.NoError(w.t, err)
	return target
}

func (w *world) dial() *ovsdb.Client {
	c, err := ovsdb.Dial(w.t.Context(), w.target(), logr.Discard())
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) replicate() *ovsdb.Replica {
	r, err := ovsdb.Replicate(w.t.Context(), w.target(), logr.Discard())
	require.NoError(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

// start makes an engine and runs it until the test ends or w.stop is called.
func (w *world) start() {
	w.make()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.engine.Run(ctx)
	}()
	w.stop = func() { cancel(); <-done }
	w.t.Cleanup(w.stop)
	w.settle()
}

func (w *world) make() {
	var err error
	w.engine, err = New(Options{
		Client: interposed{w.replicate(), w}, Source: w.source, Owners: w.owners, Registerer: prometheus.NewRegistry(),
		BatchInterval: time.Millisecond, BatchRows: w.batchRows, Chunk: w.chunk, Priority: class, Report: w.report,
		Log: funcr.New(func(_, line string) {
			if strings.Contains(line, `"error"`) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.errors = append(w.errors, line)
			}
		}, funcr.Options{}),
	})
	require.NoError(w.t, err)
}

// interposed is a client with which something can happen between a comparison and its transaction.
type interposed struct {
	*ovsdb.Replica
	w *world
}

func (c interposed) Transact(ctx context.Context, operations ...libovsdb.Operation) ([]libovsdb.OperationResult, error) {
	c.w.mu.Lock()
	before := c.w.before
	c.w.before = nil
	c.w.mu.Unlock()
	if before != nil {
		before()
	}
	results, err := c.Replica.Transact(ctx, operations...)
	if c.w.after != nil {
		c.w.after()
	}
	return results, err
}

// fetch returns when the copy shows all that was done before: the server tells of it before it answers.
func (c interposed) fetch() {
	c.w.t.Helper()
	_, err := c.Replica.Transact(c.w.t.Context(), libovsdb.Operation{Op: libovsdb.OperationComment, Comment: new(string)})
	require.NoError(c.w.t, err)
}

func (w *world) source(o row.Owner) ([]row.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[o]++
	rows := slices.Clone(w.rows[o])
	for i := range rows {
		if rows[i].Model != nil && !reflect.ValueOf(rows[i].Model).IsNil() {
			rows[i].Model = model.Clone(rows[i].Model) // An engine writes into the models that it gets.
		}
	}
	return rows, w.broken[o]
}

func (w *world) owners() []row.Owner {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.rows))
}

// want says what an owner should have, without telling the engine.
func (w *world) want(o row.Owner, rows ...row.Row) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[o] = rows
	if len(rows) == 0 {
		delete(w.rows, o)
	}
}

// sync says what an owner should have, tells the engine and waits for it.
func (w *world) sync(o row.Owner, rows ...row.Row) {
	w.t.Helper()
	w.want(o, rows...)
	w.engine.Mark(o)
	w.settle()
}

// settle waits until the engine has nothing to do.
func (w *world) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(w.t, w.engine.Wait(ctx))
}

// operations returns the operations that are carried out during f, as the metrics count them.
func (w *world) operations(f func()) (transactions, operations int) {
	w.t.Helper()
	t, o := w.counted()
	f()
	t2, o2 := w.counted()
	return t2 - t, o2 - o
}

func (w *world) counted() (transactions, operations int) {
	return int(w.metric("woven_nbsync_transactions_total")), int(w.metric("woven_nbsync_operations_total"))
}

// metric returns a counter's sum over its labels.
func (w *world) metric(name string) float64 { return w.metricOf(name, "") }

// metricOf returns a counter's sum over those labels of which one has the value.
func (w *world) metricOf(name, label string) float64 {
	families, err := w.engine.options.Registerer.(*prometheus.Registry).Gather()
	require.NoError(w.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				for _, l := range m.Label {
					if label == "" || l.GetValue() == label {
						sum += m.GetCounter().GetValue()
						break
					}
				}
			}
		}
	}
	return sum
}

// transact lets the administrator change the database by hand.
func (w *world) transact(operations ...libovsdb.Operation) []libovsdb.OperationResult {
	w.t.Helper()
	results, err := w.admin.Transact(w.t.Context(), operations...)
	for tries := 0; err != nil && operations[0].Op == libovsdb.OperationSelect && tries < 100; tries++ {
		time.Sleep(5 * time.Millisecond) // The server was just stopped by the test.
		results, err = w.admin.Transact(w.t.Context(), operations...)
	}
	require.NoError(w.t, err)
	_, err = libovsdb.CheckOperationResults(results, operations)
	require.NoError(w.t, err, "%v", results)
	return results
}

// row returns the rows of a table with a value in a column, as the administrator sees them.
func (w *world) find(table, column, value string) []libovsdb.Row {
	w.t.Helper()
	op := libovsdb.Operation{Op: libovsdb.OperationSelect, Table: table}
	switch column {
	case "":
	case "external_ids":
		op.Where = []libovsdb.Condition{libovsdb.NewCondition(column, libovsdb.ConditionIncludes,
			libovsdb.OvsMap{GoMap: map[any]any{row.NameKey: value}})}
	default:
		op.Where = []libovsdb.Condition{libovsdb.NewCondition(column, libovsdb.ConditionEqual, value)}
	}
	return w.transact(op)[0].Rows
}

// versions maps every row to its version, which the server changes with each write (RFC 7047, "_version").
func (w *world) versions() map[string]string {
	out := map[string]string{}
	for _, t := range row.Tables {
		for _, r := range w.find(t.Name, "", "") {
			out[t.Name+" "+text(r["_uuid"])] = text(r["_version"])
		}
	}
	return out
}

func (w *world) one(table, name string) libovsdb.Row {
	w.t.Helper()
	d, _ := row.Northbound(table)
	column := d.ColumnOfName()
	if d.Naming == row.ByExternalID {
		column = "external_ids"
	}
	rows := w.find(table, column, name)
	require.Len(w.t, rows, 1, "%s %s", table, name)
	return rows[0]
}

func (w *world) uuid(table, name string) libovsdb.UUID {
	w.t.Helper()
	return w.one(table, name)["_uuid"].(libovsdb.UUID)
}

// set returns a set column's elements as text.
func (w *world) set(table, name, column string) []string {
	w.t.Helper()
	out := []string{}
	switch v := w.one(table, name)[column].(type) {
	case libovsdb.OvsSet:
		for _, e := range v.GoSet {
			out = append(out, text(e))
		}
	default:
		out = append(out, text(v))
	}
	slices.Sort(out)
	return out
}

func text(v any) string {
	if u, ok := v.(libovsdb.UUID); ok {
		return u.GoUUID
	}
	return fmt.Sprint(v)
}

// eventually waits until the engine has made something so in answer to an event; its events come by another way than
// the test's.
func (w *world) eventually(what string, f func() bool) {
	w.t.Helper()
	require.Eventually(w.t, f, 30*time.Second, 2*time.Millisecond, what)
	w.settle()
}

// fresh returns what a new engine would know.
func (w *world) fresh() *state {
	s, err := newState(w.source, w.engine.options.Client.Cache())
	require.NoError(w.t, err)
	s.hearAll(w.owners())
	return s
}

// where is the condition for a row.
func where(u libovsdb.UUID) []libovsdb.Condition {
	return []libovsdb.Condition{libovsdb.NewCondition("_uuid", libovsdb.ConditionEqual, u)}
}

func (w *world) logged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errors)
}

// startChunk is how many owners are translated before an engine looks at new marks, where a test says nothing else.
const startChunk = 500

// class is the priority of the tests' owners: those that others build on, pods, all others.
func class(o row.Owner) int {
	switch o.Kind {
	case "cluster", "node":
		return 0
	case "pod":
		return 1
	default:
		return 2
	}
}

// owner is an owner by its text, such as "pod/default/web-0".
func owner(text string) row.Owner { return row.ParseOwner(text) }
