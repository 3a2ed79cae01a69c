package controller

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/assert"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clientgotesting "k8s.io/client-go/testing"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pause"
)

func newElection(t *testing.T, client kubernetes.Interface, identity string) *election {
	return &election{leases: client.CoordinationV1().Leases("woven-system"), identity: identity, log: testr.New(t)}
}

// TestWhoLostTheLeaseLeadsAgain cuts a leader off from the API server, again and again. It leads as soon as the API server
// is back.
func TestWhoLostTheLeaseLeadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		var returned time.Time
		client := fake.NewClientset()
		client.PrependReactor("*", "leases", func(clientgotesting.Action) (bool, runtime.Object, error) {
			return cut.Load(), nil, errors.New("no route to host")
		})
		terms, done := 0, errors.New("done")
		e := newElection(t, client, "b7e2")
		err := e.lead(t.Context(), func(ctx context.Context) error {
			if terms++; terms > 1 {
				assert.LessOrEqual(t, time.Since(returned), time.Second)
			}
			if terms == 4 {
				return done
			}
			cut.Store(true)
			time.AfterFunc(time.Minute+time.Duration(terms)*100*time.Millisecond, func() {
				assert.NoError(t, e.healthy(), "kubelet would start it anew")
				returned = time.Now()
				cut.Store(false)
			})
			<-ctx.Done()
			return ctx.Err()
		})
		assert.ErrorIs(t, err, done)
	})
}

// TestLeaderThatCannotRenewStopsWorking cuts a leader off from the API server.
func TestLeaderThatCannotRenewStopsWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		client := fake.NewClientset()
		client.PrependReactor("*", "leases", func(clientgotesting.Action) (bool, runtime.Object, error) {
			return cut.Load(), nil, errors.New("no route to host")
		})
		var worked time.Duration
		err := newElection(t, client, "b7e2").term(t.Context(), func(ctx context.Context) error {
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
		err := newElection(t, fake.NewClientset(), "b7e2").term(t.Context(), func(context.Context) error {
			return failed
		})
		assert.ErrorIs(t, err, failed)
	})
}

func TestStandbyEndsWithoutHavingWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		first, endFirst := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- newElection(t, client, "first").term(first, func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		time.Sleep(time.Second)
		second, endSecond := context.WithTimeout(t.Context(), time.Minute)
		defer endSecond()
		err := newElection(t, client, "second").term(second, func(context.Context) error {
			t.Error("two lead at once")
			return nil
		})
		assert.NoError(t, err)
		endFirst()
		assert.NoError(t, <-done)
	})
}

// TestFormerLeaderLeavesTheLeaseAlone ends a leader that another has followed without its noticing.
func TestFormerLeaderLeavesTheLeaseAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		e := newElection(t, client, "b7e2")
		err := e.term(t.Context(), func(ctx context.Context) error {
			assert.NoError(t, e.confirm(ctx))
			time.Sleep(retryPeriod / 2) // Between two renewals: the fake, unlike an API server, would take one from a former holder.
			lease, err := client.CoordinationV1().Leases("woven-system").Get(ctx, leaseName, metav1.GetOptions{})
			assert.NoError(t, err)
			other := "another"
			lease.Spec.HolderIdentity = &other
			_, err = client.CoordinationV1().Leases("woven-system").Update(ctx, lease, metav1.UpdateOptions{})
			assert.NoError(t, err)
			return e.confirm(ctx)
		})
		assert.ErrorIs(t, err, errLeadershipTaken)
		lease, err := client.CoordinationV1().Leases("woven-system").Get(t.Context(), leaseName, metav1.GetOptions{})
		assert.NoError(t, err)
		assert.Equal(t, "another", *lease.Spec.HolderIdentity)
	})
}

// leaseOf is the leader's Lease, taken by a holder just now.
func leaseOf(holder string) *coordinationv1.Lease {
	seconds, now := int32(leaseDuration/time.Second), metav1.NowMicro()
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "woven-system", Name: leaseName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	}
}

// TestContainerStartedAnewGoesOnWithTheLease kills a leader, which gives nothing back, and starts it again in the same pod.
func TestContainerStartedAnewGoesOnWithTheLease(t *testing.T) {
	t.Setenv(podNameVariable, "woven-controller-x")
	t.Setenv(podUIDVariable, "b7e2")
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		assert.NoError(t, client.Tracker().Add(leaseOf("woven-controller-x_b7e2")))
		begin := time.Now()
		name, err := identity()
		assert.NoError(t, err)
		e := newElection(t, client, name)
		err = e.lead(t.Context(), func(ctx context.Context) error {
			assert.Less(t, time.Since(begin), time.Second)
			assert.NoError(t, e.confirm(ctx))
			return errors.New("done")
		})
		assert.ErrorContains(t, err, "done")
	})
}

// TestOwnLateRenewalIsNoRival has a renewal from before an outage reach the lease between a Get and an Update. A rival's
// is not overwritten: it is waited for until its lease has run out.
func TestOwnLateRenewalIsNoRival(t *testing.T) {
	for holder, wait := range map[string]time.Duration{"b7e2": time.Second, "another": leaseDuration} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset()
			const us = "b7e2"
			assert.NoError(t, client.Tracker().Add(leaseOf(us)))
			refused := false
			client.PrependReactor("update", "leases", func(clientgotesting.Action) (bool, runtime.Object, error) {
				if refused {
					return false, nil, nil
				}
				refused = true
				assert.NoError(t, client.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), leaseOf(holder), "woven-system"))
				return true, nil, apierrors.NewConflict(coordinationv1.Resource("leases"), leaseName, errors.New("it has been changed"))
			})
			begin := time.Now()
			err := newElection(t, client, us).term(t.Context(), func(context.Context) error { return errors.New("done") })
			assert.ErrorContains(t, err, "done")
			if holder == us {
				assert.Less(t, time.Since(begin), wait)
			} else {
				assert.GreaterOrEqual(t, time.Since(begin), wait)
			}
		})
	}
}

// TestALateRenewalDoesNotKeepTheLease has the API server carry out a renewal that was given up, just before the lease is
// given back.
func TestALateRenewalDoesNotKeepTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		refused := false
		client.PrependReactor("update", "leases", func(action clientgotesting.Action) (bool, runtime.Object, error) {
			lease := action.(clientgotesting.UpdateAction).GetObject().(*coordinationv1.Lease)
			if refused || *lease.Spec.HolderIdentity != "" {
				return false, nil, nil
			}
			refused = true
			return true, nil, apierrors.NewConflict(coordinationv1.Resource("leases"), leaseName, errors.New("it has been changed"))
		})
		done := errors.New("done")
		assert.ErrorIs(t, newElection(t, client, "b7e2").term(t.Context(), func(context.Context) error { return done }), done)
		assert.True(t, refused)
		lease, err := client.CoordinationV1().Leases("woven-system").Get(t.Context(), leaseName, metav1.GetOptions{})
		assert.NoError(t, err)
		assert.Empty(t, *lease.Spec.HolderIdentity)
	})
}

// slowLeases takes its time for every write, and carries it out also when nobody waits for it any more.
type slowLeases struct {
	kube.Leases
	takes time.Duration
}

// Create implements kube.Leases.
func (l slowLeases) Create(ctx context.Context, lease *coordinationv1.Lease, o metav1.CreateOptions) (*coordinationv1.Lease, error) {
	made, err := l.Leases.Create(context.WithoutCancel(ctx), lease, o)
	return slowly(ctx, l.takes, made, err)
}

// Update implements kube.Leases.
func (l slowLeases) Update(ctx context.Context, lease *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	made, err := l.Leases.Update(context.WithoutCancel(ctx), lease, o)
	return slowly(ctx, l.takes, made, err)
}

func slowly(ctx context.Context, takes time.Duration, lease *coordinationv1.Lease, err error) (*coordinationv1.Lease, error) {
	if !pause.For(ctx, takes) {
		return nil, ctx.Err()
	}
	return lease, err
}

// TestASlowEtcdHasALeader has every write take longer than the time between two.
func TestASlowEtcdHasALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElection(t, fake.NewClientset(), "b7e2")
		e.leases = slowLeases{e.leases, retryPeriod + 500*time.Millisecond}
		begin, done := time.Now(), errors.New("done")
		assert.ErrorIs(t, e.term(t.Context(), func(ctx context.Context) error {
			assert.Less(t, time.Since(begin), 5*time.Second)
			if !pause.For(ctx, 5*time.Minute) {
				return ctx.Err()
			}
			return done
		}), done)
	})
}

// TestClocksOfOthersDoNotMatter has a leader whose clock is hours off, either way, renew its lease.
func TestClocksOfOthersDoNotMatter(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset()
			other, seconds := "another", int32(leaseDuration/time.Second)
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &other, LeaseDurationSeconds: &seconds}}
			_, err := client.CoordinationV1().Leases("woven-system").Create(t.Context(), lease, metav1.CreateOptions{})
			assert.NoError(t, err)
			var ended atomic.Bool // the other has stopped renewing
			renew := func() {
				lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now().Add(off)}
				_, err := client.CoordinationV1().Leases("woven-system").Update(context.WithoutCancel(t.Context()), lease, metav1.UpdateOptions{})
				assert.NoError(t, err)
			}
			renew()
			go func() {
				for range 30 {
					time.Sleep(retryPeriod)
					renew()
				}
				ended.Store(true)
			}()
			err = newElection(t, client, "b7e2").term(t.Context(), func(context.Context) error {
				assert.True(t, ended.Load(), "two lead at once")
				return errors.New("done")
			})
			assert.ErrorContains(t, err, "done")
		})
	}
}
