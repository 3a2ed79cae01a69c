package ovsdb_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

func soon(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func northbound(t *testing.T, remote string) ovsdb.Target {
	target, err := ovsdb.Northbound(config.OVN{Northbound: remote})
	require.NoError(t, err)
	return target
}

// connected is what a Client and a Replica have in common.
type connected interface {
	Cache() *cache.TableCache
	Session(context.Context) (context.Context, error)
	Transact(context.Context, ...libovsdb.Operation) ([]libovsdb.OperationResult, error)
	Close()
}

type dial func(context.Context, ovsdb.Target, logr.Logger) (connected, error)

// both runs a test with a Client and with a Replica.
func both(t *testing.T, test func(*testing.T, dial)) {
	t.Helper()
	t.Run("Client", func(t *testing.T) {
		test(t, func(ctx context.Context, target ovsdb.Target, log logr.Logger) (connected, error) {
			return ovsdb.Dial(ctx, target, log)
		})
	})
	t.Run("Replica", func(t *testing.T) {
		test(t, func(ctx context.Context, target ovsdb.Target, log logr.Logger) (connected, error) {
			return ovsdb.Replicate(ctx, target, log)
		})
	})
}

func TestTheServerThatAnswersIsFound(t *testing.T) { both(t, testTheServerThatAnswersIsFound) }

func testTheServerThatAnswersIsFound(t *testing.T, dial dial) {
	s := ovsdbtest.Start(t, schema.Northbound)
	c, err := dial(soon(t, 5*time.Second), northbound(t, "unix:/nowhere,"+s.Remote), logr.Discard())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Transact(soon(t, 5*time.Second), add("a"))
	require.NoError(t, err)
}

func TestAnErrorSaysWhatToDo(t *testing.T) { both(t, testAnErrorSaysWhatToDo) }

func testAnErrorSaysWhatToDo(t *testing.T, dial dial) {
	s := ovsdbtest.Start(t, schema.Northbound)
	_, err := dial(soon(t, 500*time.Millisecond), northbound(t, "unix:/nowhere"), logr.Discard())
	require.ErrorContains(t, err, "database OVN_Northbound at unix:/nowhere cannot be reached; is its ovsdb-server running?")

	target, err := ovsdb.Southbound(config.OVN{Southbound: s.Remote})
	require.NoError(t, err)
	_, err = dial(soon(t, 500*time.Millisecond), target, logr.Discard())
	require.EqualError(t, err, "database OVN_Southbound: the server at "+s.Remote+" does not have it; write the remote of the right database")
}

func TestSessionEndsWithItsConnection(t *testing.T) { both(t, testSessionEndsWithItsConnection) }

func testSessionEndsWithItsConnection(t *testing.T, dial dial) {
	s := ovsdbtest.Start(t, schema.Northbound)
	var mu sync.Mutex
	var lines []string
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}, funcr.Options{})
	c, err := dial(t.Context(), northbound(t, s.Remote), log)
	require.NoError(t, err)
	defer c.Close()
	count := func() int { return c.Cache().Table(nb.LogicalSwitchTable).Len() }
	_, err = c.Transact(t.Context(), add("a"))
	require.NoError(t, err)
	require.Equal(t, 1, count())

	first, err := c.Session(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.Err())
	s.Stop()
	<-first.Done()
	_, err = c.Session(soon(t, 100*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	s.Continue()
	second, err := c.Session(soon(t, 5*time.Second))
	require.NoError(t, err)
	require.NoError(t, second.Err())
	require.Equal(t, 1, count(), "the row is in the file")

	s.Recreate()
	<-second.Done()
	_, err = c.Session(soon(t, 5*time.Second))
	require.NoError(t, err)
	require.Equal(t, 0, count(), "the new database is empty")

	mu.Lock()
	defer mu.Unlock()
	require.Len(t, lines, 4, "each loss and each return is told in a line, however many attempts it took")
	require.Contains(t, lines[0], `"msg"="connection lost, connecting again" "database"="OVN_Northbound"`)
	require.Contains(t, lines[1], `"msg"="connected again"`)
}

// A server that is there but silent: the connection is given up, with the transaction that waits on it, and made again.
func TestASilentServerIsGivenUp(t *testing.T) { both(t, testASilentServerIsGivenUp) }

func testASilentServerIsGivenUp(t *testing.T, dial dial) {
	ovsdb.SetProbeInterval(50 * time.Millisecond)
	defer ovsdb.SetProbeInterval(10 * time.Second)
	s := ovsdbtest.Start(t, schema.Northbound)
	c, err := dial(t.Context(), northbound(t, s.Remote), logr.Discard())
	require.NoError(t, err)
	defer c.Close()
	session, err := c.Session(t.Context())
	require.NoError(t, err)

	s.Freeze()
	_, err = c.Transact(soon(t, 5*time.Second), add("a"))
	require.ErrorIs(t, err, context.Canceled)
	require.Error(t, session.Err())

	s.Thaw()
	_, err = c.Session(soon(t, 10*time.Second))
	require.NoError(t, err)
	_, err = c.Transact(soon(t, 5*time.Second), add("a"))
	require.NoError(t, err)
}

// After Transact returns, the cache shows what it did: ovsdb-server sends the monitors' updates before the reply, and
// they are applied in the order they come. The engine's next comparison relies on it.
func TestCacheShowsATransactionThatHasReturned(t *testing.T) {
	both(t, testCacheShowsATransactionThatHasReturned)
}

func testCacheShowsATransactionThatHasReturned(t *testing.T, dial dial) {
	s := ovsdbtest.Start(t, schema.Northbound)
	c, err := dial(t.Context(), northbound(t, s.Remote), logr.Discard())
	require.NoError(t, err)
	defer c.Close()
	for i := range 500 {
		_, err = c.Transact(t.Context(), add("a"))
		require.NoError(t, err)
		require.Equal(t, i+1, c.Cache().Table(nb.LogicalSwitchTable).Len())
	}
}

// A copy that has gone wrong is made anew: here the rows are missing of which the server tells that they have changed.
func TestACopyThatDoesNotFitIsMadeAnew(t *testing.T) {
	s := ovsdbtest.Start(t, schema.Northbound)
	r, err := ovsdb.Replicate(t.Context(), northbound(t, s.Remote), logr.Discard())
	require.NoError(t, err)
	defer r.Close()
	made, err := r.Transact(t.Context(), add("a"), add("b"))
	require.NoError(t, err)
	uuid := made[0].UUID.GoUUID
	r.Cache().Purge(r.Cache().DatabaseModel())
	first, err := r.Session(t.Context())
	require.NoError(t, err)

	_, err = r.Transact(t.Context(), libovsdb.Operation{
		Op: libovsdb.OperationUpdate, Table: nb.LogicalSwitchTable, Row: libovsdb.Row{"name": "c"},
		Where: []libovsdb.Condition{libovsdb.NewCondition("_uuid", libovsdb.ConditionEqual, libovsdb.UUID{GoUUID: uuid})},
	})
	require.ErrorIs(t, err, context.Canceled, "its reply comes after the update")
	require.Error(t, first.Err())
	_, err = r.Session(soon(t, 10*time.Second))
	require.NoError(t, err)
	var names []string
	for _, row := range ovsdb.Rows[nb.LogicalSwitch](r.Cache(), nb.LogicalSwitchTable) {
		names = append(names, row.Name)
	}
	require.ElementsMatch(t, []string{"c", "b"}, names)
}
