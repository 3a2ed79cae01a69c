package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
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

// errLeadershipLost is the end of a leader that could not renew its lease. The process ends, so that nothing of a
// leadership that may be somebody else's by now goes on; kubelet starts it anew.
var errLeadershipLost = errors.New("leadership lost: the lease could not be renewed in time; is kube-apiserver reachable?")

// errLeadershipTaken is the end of a leader that another has followed without its noticing, because it was paused or
// somebody has changed the lease.
var errLeadershipTaken = errors.New("leadership lost: another process holds the lease")

// lead waits until this process is the leader and then calls work. When ctx ends, work's context ends first, and the
// lease is given back only after work has returned: the next leader never writes beside this one. The error is that of
// work, errLeadershipLost, or nil when ctx ended.
//
// An election alone does not keep two from writing: a leader that is paused does not see its lease run out. What work
// writes is therefore fenced (ovsdb.Fence), with confirm to say whether the lease is still ours.
func lead(ctx context.Context, client kubernetes.Interface, namespace string, watchdog *leaderelection.HealthzAdaptor, work func(ctx context.Context, confirm func(context.Context) error) error) error {
	identity, err := identity()
	if err != nil {
		return err
	}
	election, giveBack := context.WithCancel(context.WithoutCancel(ctx))
	defer giveBack()
	var begun atomic.Bool // work has begun, or never will
	result := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &ownLease{LeaseLock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		}},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, Name: leaseName, WatchDog: watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				defer giveBack()
				if !begun.CompareAndSwap(false, true) {
					return
				}
				working, stop := context.WithCancel(held)
				defer stop()
				defer context.AfterFunc(ctx, stop)()
				result <- work(working, func(ctx context.Context) error { return confirm(ctx, client, namespace, identity) })
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	watchdog.SetLeaderElection(elector)
	defer context.AfterFunc(ctx, func() {
		if begun.CompareAndSwap(false, true) {
			close(result)
			giveBack()
		}
	})()
	elector.Run(election)
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
func confirm(ctx context.Context, client kubernetes.Interface, namespace, identity string) error {
	ticker := time.NewTicker(retryPeriod / 4)
	defer ticker.Stop()
	for {
		lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, leaseName, metav1.GetOptions{})
		switch {
		case err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == identity:
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
