package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the name of the Lease that the leader holds.
const leaseName = "woven-controller"

// How long a leader that fell silent is waited for, how long a leader that cannot renew goes on, and how often one
// tries. Kubernetes' own components try every two seconds; renewing is half of what an idle controller does, and two
// failures in a row are still survived.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 4 * time.Second
)

// errLeadershipLost is the end of a leader that could not renew its lease.
var errLeadershipLost = errors.New("leadership lost: the lease could not be renewed in time; is kube-apiserver reachable?")

// errLeadershipTaken is the end of a leader that another has followed without its noticing, because it was paused or
// somebody has changed the lease.
var errLeadershipTaken = errors.New("leadership lost: another process holds the lease")

// election is what the controllers of a cluster hold to choose their leader: a Lease.
type election struct {
	client    kubernetes.Interface
	namespace string
	// identity is what this process is called as the lease's holder.
	identity string
	watchdog *leaderelection.HealthzAdaptor
	log      logr.Logger
}

// lead calls work whenever this process is the leader, until ctx ends or work fails. Who loses the lease stands by again:
// what it knows of the cluster it goes on following, so that it leads as soon as it has the lease. A process started anew
// would have to read all of that from an API server that has just come back, and kubelet would make it wait for up to five
// minutes (CrashLoopBackOff).
func (e *election) lead(ctx context.Context, work func(context.Context) error) error {
	for {
		err := e.term(ctx, work)
		if !errors.Is(err, errLeadershipLost) && !errors.Is(err, errLeadershipTaken) {
			return err
		}
		e.log.Info("standing by", "reason", err.Error())
		e.watchdog.SetLeaderElection(nil) // Else it takes whose lease has run out for one that goes on working.
		e.awaitLeases(ctx)
	}
}

// awaitLeases waits until the API server answers about the lease, or ctx ends. An elector, too, tries until then, but with
// pauses of up to nine seconds.
func (e *election) awaitLeases(ctx context.Context) {
	failing := ""
	_ = wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		attempt, cancel := context.WithTimeout(ctx, retryPeriod)
		defer cancel()
		_, err := e.get(attempt)
		if err == nil || apierrors.IsNotFound(err) {
			return true, nil
		}
		if err.Error() != failing && ctx.Err() == nil {
			failing = err.Error()
			e.log.Info("kube-apiserver does not tell who leads, asking again", "reason", failing)
		}
		return false, nil
	})
}

func (e *election) get(ctx context.Context) (*coordinationv1.Lease, error) {
	return e.client.CoordinationV1().Leases(e.namespace).Get(ctx, leaseName, metav1.GetOptions{})
}

// term waits until this process is the leader and then calls work. When ctx ends, work's context ends first, and the
// lease is given back only after work has returned: the next leader never writes beside this one. The error is that of
// work, errLeadershipLost, or nil when ctx ended.
//
// An election alone does not keep two from writing: a leader that is paused does not see its lease run out. What work
// writes is therefore fenced (ovsdb.Fence), with confirm to say whether the lease is still ours.
func (e *election) term(ctx context.Context, work func(context.Context) error) error {
	held, giveBack := context.WithCancel(context.WithoutCancel(ctx))
	defer giveBack()
	var begun atomic.Bool // work has begun, or never will
	result := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &ownLease{LeaseLock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.namespace, Name: leaseName},
			Client:     e.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
		}},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, Name: leaseName, WatchDog: e.watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				defer giveBack()
				if !begun.CompareAndSwap(false, true) {
					return
				}
				working, stop := context.WithCancel(leading)
				defer stop()
				defer context.AfterFunc(ctx, stop)()
				result <- work(working)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	e.watchdog.SetLeaderElection(elector)
	defer context.AfterFunc(ctx, func() {
		if begun.CompareAndSwap(false, true) {
			close(result)
			giveBack()
		}
	})()
	elector.Run(held)
	err = <-result // Run has ended the context that work has.
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, context.Canceled):
		return errLeadershipLost
	}
	return err
}

// podUIDVariable is the environment variable that names the pod (metadata.uid).
const podUIDVariable = "POD_UID"

// identity is what the holder of the lease is called. In a pod it is the pod's UID: of a container that died only one
// successor ever runs in the same pod, and by this name it goes on with the lease at once. Under a name of its own it
// would have to wait fifteen seconds for its own lease to run out, and so would every new pod.
func identity() (string, error) {
	if uid := os.Getenv(podUIDVariable); uid != "" {
		return uid, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of this host: %w", err)
	}
	return host + "_" + string(uuid.NewUUID()), nil
}

// confirm asks the API server, not a memory of its last word, whether the lease is ours. It asks until there is an answer
// or ctx ends.
func (e *election) confirm(ctx context.Context) error {
	ticker := time.NewTicker(retryPeriod / 4)
	defer ticker.Stop()
	for {
		lease, err := e.get(ctx)
		switch {
		case err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == e.identity:
			return nil
		case err == nil:
			return errLeadershipTaken
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
