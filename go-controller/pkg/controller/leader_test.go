package controller

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clientgotesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection"
)

// TestLeaderThatCannotRenewStopsWorking cuts a leader off from the API server.
func TestLeaderThatCannotRenewStopsWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		client := fake.NewClientset()
		client.PrependReactor("*", "leases", func(clientgotesting.Action) (bool, runtime.Object, error) {
			return cut.Load(), nil, errors.New("no route to host")
		})
		var worked time.Duration
		err := lead(t.Context(), client, "woven-system", leaderelection.NewLeaderHealthzAdaptor(time.Minute), func(ctx context.Context, _ func(context.Context) error) error {
			begin := time.Now()
			cut.Store(true)
			<-ctx.Done()
			worked = time.Since(begin)
			return ctx.Err()
		})
		assert.ErrorIs(t, err, errLeadershipLost)
		assert.Less(t, worked, leaseDuration, "it ends before another may begin")
	})
}

func TestWorkThatFailsEndsTheLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("failed")
		err := lead(t.Context(), fake.NewClientset(), "woven-system", leaderelection.NewLeaderHealthzAdaptor(time.Minute), func(context.Context, func(context.Context) error) error {
			return failed
		})
		assert.ErrorIs(t, err, failed)
	})
}

func TestStandbyEndsWithoutHavingWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, adaptor := fake.NewClientset(), leaderelection.NewLeaderHealthzAdaptor(time.Minute)
		first, endFirst := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- lead(first, client, "woven-system", adaptor, func(ctx context.Context, _ func(context.Context) error) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		time.Sleep(time.Second)
		second, endSecond := context.WithTimeout(t.Context(), time.Minute)
		defer endSecond()
		err := lead(second, client, "woven-system", leaderelection.NewLeaderHealthzAdaptor(time.Minute), func(context.Context, func(context.Context) error) error {
			t.Error("two lead at once")
			return nil
		})
		assert.NoError(t, err)
		endFirst()
		assert.NoError(t, <-done)
	})
}
