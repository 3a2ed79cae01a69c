package attach

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNews(t *testing.T) {
	n := newNews()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	asked := make(chan struct{}, 10)
	value := make(chan bool, 1)
	value <- false
	done := make(chan error)
	go func() {
		done <- n.await(ctx, "a", func() (bool, error) {
			asked <- struct{}{}
			return <-value, nil
		})
	}()
	<-asked // at once
	n.tell("b")
	value <- true
	n.tell("a")
	<-asked
	require.NoError(t, <-done)
	require.Empty(t, n.waiting, "nobody waits any more")

	failed := errors.New("failed")
	require.Equal(t, failed, n.await(ctx, "a", func() (bool, error) { return false, failed }))
	cancel()
	require.ErrorIs(t, n.await(ctx, "a", func() (bool, error) { return false, nil }), context.Canceled)
	require.Empty(t, n.waiting)
}
