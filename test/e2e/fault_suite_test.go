//go:build e2e

package e2e

import (
	"flag"
	"testing"
)

// TestFaults holds what a cluster must survive while packets flow and pods come and go. Go runs tests in the order of
// their files' names, so this one comes before the others; it leaves the cluster as it was.
func TestFaults(t *testing.T) {
	inOrder(t, []topic{
		{"killed", testKilled},
		{"bursts", testBursts},
	})
}

// soak makes the faults last as long as in a bad week, and the bursts as large; `make test-soak` sets it.
var soak = flag.Bool("soak", false, "longer faults and larger bursts; takes an hour")
