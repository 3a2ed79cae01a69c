//go:build e2e

package e2e

import "testing"

// TestFaults holds what a cluster must survive while packets flow and pods come and go. Go runs tests in the order of
// their files' names, so this one comes before the others; it leaves the cluster as it was.
func TestFaults(t *testing.T) {
	inOrder(t, []topic{
		{"killed", testKilled},
		{"bursts", testBursts},
		{"paused-leader", testPausedLeader},
		{"api-server-stopped", testAPIServerStopped},
		{"etcd-stopped", testEtcdStopped},
		{"link-cut", testLinkCut},
	})
}
