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
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// leaseName is the name of the Lease that the leader holds.
const leaseName = "woven-controller"

// How long a leader that fell silent is waited for, how long a leader that cannot renew goes on, and how often one
// tries. Kubernetes' own components try every two seconds; renewing is half of what an idle controller does. An API server
// that does not answer is asked more often: it may be back. A write is waited for as long as a leader has time for it: an
// etcd so slow that it takes longer is still one that works.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 4 * time.Second
	askAgain      = time.Second
	writePatience = renewDeadline - retryPeriod
)

// stuckAfter is how long after it should have ended a leader is taken for one that hangs.
const stuckAfter = 20 * time.Second

// errLeadershipLost is the end of a leader that could not renew its lease.
var errLeadershipLost = errors.New("leadership lost: the lease could not be renewed in time; is kube-apiserver reachable?")

// errLeadershipTaken is the end of a leader that another has followed without its noticing, because it was paused or
// somebody has changed the lease.
var errLeadershipTaken = errors.New("leadership lost: the lease is not this process's any more")

// election is how the controllers of a cluster choose their leader: by who holds a Lease, as Kubernetes' own components do
// (KEP-589). The clocks of others do not matter: a lease has run out when nobody has changed it for as long as it says.
//
// An election alone does not keep two from writing: a leader that is paused does not see its lease run out. What work
// writes is therefore fenced (ovsdb.Fence), with confirm to say whether the lease is still ours.
//
// client-go's elector needs the clientset, see kube.Client. It also pauses for up to nine seconds when an API server is
// back, and gives back the lease of whoever holds it.
type election struct {
	leases kube.Leases
	// identity is what this process is called as the lease's holder.
	identity string
	log      logr.Logger
	// renewed is when the leader last asked for the lease that it has; nil while another leads.
	renewed atomic.Pointer[time.Time]
}

// lead calls work whenever this process is the leader, until ctx ends or work fails. Who loses the lease stands by again:
// what it knows of the cluster it goes on following, so that it leads as soon as it has the lease. A process started anew
// would have to read all of that from an API server that has just come back, and kubelet would make it wait for up to five
// minutes (CrashLoopBackOff).
func (e *election) lead(ctx context.Context, work func(context.Context) error) error {
	for {
		err := e.term(ctx, work)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errLeadershipLost) && !errors.Is(err, errLeadershipTaken) {
			return err
		}
		e.log.Info("standing by", "reason", err.Error())
	}
}

// term waits until this process is the leader and then calls work. The lease is given back only after work has returned:
// the next leader never writes beside this one. The error is that of work, or why the lease was lost; nil when ctx ended.
func (e *election) term(ctx context.Context, work func(context.Context) error) error {
	lease := e.acquire(ctx)
	if lease == nil {
		return nil
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	renewing, enough := context.WithCancel(context.WithoutCancel(ctx))
	defer enough()
	kept := make(chan *coordinationv1.Lease, 1)
	go func() { kept <- e.keep(renewing, lease, stop) }()
	err := work(working)
	enough()
	lease = <-kept
	defer e.renewed.Store(nil)
	switch {
	case lease == nil:
		return context.Cause(working)
	case !errors.Is(err, errLeadershipTaken):
		e.giveBack(context.WithoutCancel(ctx), lease)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// acquire waits until the lease is ours and returns it; nil when ctx has ended.
func (e *election) acquire(ctx context.Context) *coordinationv1.Lease {
	var seen *coordinationv1.Lease // another's
	var since time.Time
	told := ""
	for {
		delay := askAgain
		lease, err := e.get(ctx)
		switch {
		case apierrors.IsNotFound(err):
			lease, err = e.take(ctx, nil)
		case err == nil && !e.free(lease):
			if seen == nil || !equality.Semantic.DeepEqual(seen.Spec, lease.Spec) {
				seen, since = lease, time.Now()
			}
			if time.Since(since) < durationOf(lease) {
				delay, err = wait.Jitter(retryPeriod, 0.2), fmt.Errorf("%s leads", *lease.Spec.HolderIdentity)
				break
			}
			fallthrough
		case err == nil:
			lease, err = e.take(ctx, lease)
			if apierrors.IsConflict(err) {
				delay = 0 // By a rival, or by a renewal of our own from before an outage.
			}
		}
		if err == nil {
			return lease
		}
		if err.Error() != told && ctx.Err() == nil {
			told = err.Error()
			e.log.Info("waiting for the lease", "reason", told)
		}
		if !pause.For(ctx, delay) {
			return nil
		}
	}
}

// keep renews the lease until ctx ends and returns it as it is then. When it cannot, it calls lost with the reason and
// returns nil.
func (e *election) keep(ctx context.Context, lease *coordinationv1.Lease, lost func(error)) *coordinationv1.Lease {
	next := retryPeriod
	for {
		asked := e.renewed.Load()
		deadline := asked.Add(renewDeadline)
		if !pause.For(ctx, next-time.Since(*asked)) {
			return lease
		}
		attempt, cancel := context.WithDeadline(ctx, deadline)
		renewed, err := e.renew(attempt, lease)
		cancel()
		switch {
		case err == nil:
			lease, next = renewed, retryPeriod
		case ctx.Err() != nil:
			return lease
		case errors.Is(err, errLeadershipTaken):
			lost(err)
			return nil
		case time.Until(deadline) <= 0:
			lost(errLeadershipLost)
			return nil
		default:
			e.log.V(1).Info("the lease is not renewed yet", "reason", err.Error())
			next = min(time.Since(*asked)+askAgain, renewDeadline)
		}
	}
}

// renew renews the lease. When it is not as we left it, it may have been deleted, edited, or renewed by an attempt of ours
// that was given up.
func (e *election) renew(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	next, err := e.take(ctx, lease)
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return next, err
	}
	switch now, err := e.get(ctx); {
	case apierrors.IsNotFound(err):
		return e.take(ctx, nil)
	case err != nil:
		return nil, err
	case !e.holds(now):
		return nil, errLeadershipTaken
	default:
		return e.take(ctx, now)
	}
}

// get asks the API server for the lease, and waits for its answer no longer than until the next renewal is due.
func (e *election) get(ctx context.Context) (*coordinationv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, retryPeriod)
	defer cancel()
	return e.leases.Get(ctx, leaseName, metav1.GetOptions{})
}

// take makes the lease ours, or renews it; nil is one that does not exist. It fails if somebody has changed it since it was
// read.
func (e *election) take(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	asked := time.Now()
	taken, err := e.write(ctx, lease, metav1.NewMicroTime(asked))
	if err == nil {
		e.renewed.Store(&asked)
	}
	return taken, err
}

func (e *election) write(ctx context.Context, lease *coordinationv1.Lease, now metav1.MicroTime) (*coordinationv1.Lease, error) {
	seconds, transitions := int32(leaseDuration/time.Second), int32(0)
	if lease == nil {
		return e.leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName}, Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &e.identity, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now, LeaseTransitions: &transitions,
		}}, metav1.CreateOptions{})
	}
	lease = lease.DeepCopy()
	spec := &lease.Spec
	if !e.holds(lease) {
		if spec.LeaseTransitions != nil {
			transitions = *spec.LeaseTransitions + 1
		}
		spec.HolderIdentity, spec.AcquireTime, spec.LeaseTransitions = &e.identity, &now, &transitions
	}
	spec.LeaseDurationSeconds, spec.RenewTime = &seconds, &now
	return e.leases.Update(ctx, lease, metav1.UpdateOptions{})
}

// giveBack lets the next leader begin at once. A renewal that was given up at the end may have been carried out since.
func (e *election) giveBack(ctx context.Context, lease *coordinationv1.Lease) {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	for {
		given := lease.DeepCopy()
		now := metav1.NowMicro()
		given.Spec.HolderIdentity, given.Spec.RenewTime = new(string), &now
		_, err := e.leases.Update(ctx, given, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			if now, failed := e.get(ctx); failed == nil && e.holds(now) {
				lease = now
				continue
			}
		}
		if err != nil {
			e.log.Info("the lease could not be given back; the next leader waits until it has run out", "reason", err.Error())
		}
		return
	}
}

// holds says whether this process holds the lease.
func (e *election) holds(lease *coordinationv1.Lease) bool {
	return lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == e.identity
}

// free says whether nobody else holds the lease.
func (e *election) free(lease *coordinationv1.Lease) bool {
	holder := lease.Spec.HolderIdentity
	return holder == nil || *holder == "" || e.holds(lease)
}

// durationOf returns how long after its last change a lease has run out.
func durationOf(lease *coordinationv1.Lease) time.Duration {
	if lease.Spec.LeaseDurationSeconds == nil {
		return leaseDuration
	}
	return time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
}

// healthy returns an error for a leader that should have ended long ago: it hangs.
func (e *election) healthy() error {
	if last := e.renewed.Load(); last != nil && time.Since(*last) > renewDeadline+stuckAfter {
		return fmt.Errorf("not healthy: the lease was renewed last %v ago, and the leader does not end", time.Since(*last).Round(time.Second))
	}
	return nil
}

// The environment variables that say which pod this is: metadata.name and metadata.uid.
const (
	podNameVariable = "POD_NAME"
	podUIDVariable  = "POD_UID"
)

// identity is what the holder of the lease is called. In a pod it is "<name>_<UID>" of the pod: the name is for whoever reads
// the lease, the UID tells a pod from a later one of its name. After a container has died only one successor ever runs
// in the same pod, and by this identity it goes on with the lease at once. Under an identity of its own it would have to wait
// fifteen seconds for its own lease to run out, and so would every new pod.
func identity() (string, error) {
	if uid := os.Getenv(podUIDVariable); uid != "" {
		return os.Getenv(podNameVariable) + "_" + uid, nil
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
	for {
		lease, err := e.get(ctx)
		switch {
		case err == nil && e.holds(lease):
			return nil
		case err == nil:
			return errLeadershipTaken
		}
		if !pause.For(ctx, askAgain) {
			return ctx.Err()
		}
	}
}
