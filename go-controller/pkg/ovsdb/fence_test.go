package ovsdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

func fenced(t *testing.T, s *ovsdbtest.Server, confirm func(context.Context) error) *ovsdb.Fenced {
	t.Helper()
	c, err := ovsdb.Replicate(soon(t, 5*time.Second), northbound(t, s.Remote), logr.Discard())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c.Fence("woven_test", confirm)
}

func yes(context.Context) error { return nil }

func add(name string) libovsdb.Operation {
	return libovsdb.Operation{Op: libovsdb.OperationInsert, Table: nb.LogicalSwitchTable, Row: libovsdb.Row{"name": name}}
}

func TestOnlyTheHolderOfTheLockWrites(t *testing.T) {
	s := ovsdbtest.Start(t, schema.Northbound)
	first, second := fenced(t, s, yes), fenced(t, s, yes)
	_, err := first.Transact(t.Context(), add("early"))
	require.ErrorIs(t, err, ovsdb.ErrFenced, "nobody writes without a session")

	held, err := first.Session(t.Context())
	require.NoError(t, err)
	results, err := first.Transact(t.Context(), add("first"))
	require.NoError(t, err)
	require.Len(t, results, 1, "the assertion's own result is not shown")
	require.NotEmpty(t, results[0].UUID.GoUUID)
	again, err := first.Session(t.Context())
	require.NoError(t, err)
	require.Equal(t, held, again)

	_, err = second.Session(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, second.Cache().Table(nb.LogicalSwitchTable).Len(), "the cache shows what the one before has written")
	_, err = first.Transact(soon(t, 5*time.Second), add("late"))
	require.Error(t, err)
	<-held.Done()
	_, err = second.Transact(t.Context(), add("second"))
	require.NoError(t, err)
	require.Equal(t, 2, second.Cache().Table(nb.LogicalSwitchTable).Len())
}

// A leader that stands by and leads again takes the lock anew, whether somebody had it meanwhile or not.
func TestAReleasedLockIsTakenAgain(t *testing.T) {
	s := ovsdbtest.Start(t, schema.Northbound)
	first, second := fenced(t, s, yes), fenced(t, s, yes)
	connected, err := first.Replica.Session(t.Context())
	require.NoError(t, err)
	for _, between := range []*ovsdb.Fenced{nil, nil, second} {
		held, err := first.Session(t.Context())
		require.NoError(t, err)
		require.NoError(t, connected.Err(), "over the same connection")
		_, err = first.Transact(t.Context(), add("a"))
		require.NoError(t, err)
		first.Release()
		require.Error(t, held.Err())
		_, err = first.Transact(t.Context(), add("b"))
		require.ErrorIs(t, err, ovsdb.ErrFenced)
		if between != nil {
			_, err := between.Session(t.Context())
			require.NoError(t, err)
			_, err = between.Transact(t.Context(), add("c"))
			require.NoError(t, err)
		}
	}
	_, err = first.Session(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, first.Cache().Table(nb.LogicalSwitchTable).Len(), "three of the first and one of the second")
}

// A process that takes the lock without a right to it gives the one that has it a moment's disturbance, no more.
func TestWhoIsNotConfirmedWritesNothing(t *testing.T) {
	s := ovsdbtest.Start(t, schema.Northbound)
	gone := errors.New("you lead no more")
	leader, former := fenced(t, s, yes), fenced(t, s, func(context.Context) error { return gone })
	_, err := leader.Session(t.Context())
	require.NoError(t, err)
	_, err = former.Session(t.Context())
	require.ErrorIs(t, err, gone)

	require.Eventually(t, func() bool {
		if _, err := leader.Session(soon(t, 5*time.Second)); err != nil {
			return false
		}
		_, err := leader.Transact(soon(t, 5*time.Second), add("a"))
		return err == nil
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, leader.Cache().Table(nb.LogicalSwitchTable).Len())
}

func TestALockIsTakenAgainAfterARestartOfTheDatabase(t *testing.T) {
	s := ovsdbtest.Start(t, schema.Northbound)
	confirmed := 0
	f := fenced(t, s, func(context.Context) error { confirmed++; return nil })
	first, err := f.Session(t.Context())
	require.NoError(t, err)
	s.Stop()
	<-first.Done()
	s.Continue()
	_, err = f.Session(soon(t, 10*time.Second))
	require.NoError(t, err)
	require.Equal(t, 2, confirmed)
	_, err = f.Transact(soon(t, 5*time.Second), add("a"))
	require.NoError(t, err)
}
