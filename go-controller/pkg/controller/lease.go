package controller

import (
	"context"

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
func (l *ownLease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" && l.holder != l.Identity() {
		return nil
	}
	return l.LeaseLock.Update(ctx, record)
}
