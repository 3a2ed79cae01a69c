package controller

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ownLease is a lease that is given back only by its holder. client-go 0.36 empties the lease of whoever holds it when a
// leader ends that has not noticed that another follows it: at its end it reads the lease anew and overwrites it.
type ownLease struct {
	*resourcelock.LeaseLock
	// holder is who holds the lease, as the last Get told.
	holder string
}

// Get implements resourcelock.Interface.
func (l *ownLease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.LeaseLock.Get(ctx)
	if err == nil {
		l.holder = record.HolderIdentity
	}
	return record, raw, err
}

// Update implements resourcelock.Interface. A lease without a holder is one that is given back.
//
// After an outage the API server may still carry out a renewal that its sender has given up, between the Get and the Update
// of the next. The elector would take that for a rival's and pause for four to nine seconds.
func (l *ownLease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" && l.holder != l.Identity() {
		return nil
	}
	err := l.LeaseLock.Update(ctx, record)
	if !apierrors.IsConflict(err) || record.HolderIdentity == "" {
		return err
	}
	// Not with l's own Get: the elector's next Update would then be of a lease that it has not seen.
	fresh := &resourcelock.LeaseLock{LeaseMeta: l.LeaseMeta, Client: l.Client, LockConfig: l.LockConfig}
	now, _, failed := fresh.Get(ctx)
	if failed != nil || now.HolderIdentity != l.Identity() {
		return err
	}
	if err := fresh.Update(ctx, record); err != nil {
		return err
	}
	l.LeaseLock = fresh
	return nil
}
