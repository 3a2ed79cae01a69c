// Package pause waits between two attempts, or until there is no more reason to.
package pause

import (
	"context"
	"time"
)

// For waits for d. It returns false when ctx has ended, before or just then: nothing more should be tried.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err() == nil
}
