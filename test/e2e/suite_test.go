//go:build e2e

package e2e

import "testing"

// TestUndisturbed holds the topics that disturb nobody. They run side by side.
func TestUndisturbed(t *testing.T) {
	parallel(t, []topic{
		{"connectivity", testConnectivity},
		{"services", testServices},
		{"api-server", testAPIServer},
		{"dns", testDNS},
		{"probes", testProbes},
		{"kubectl", testKubectl},
		{"packet-filter", testPacketFilter},
		{"audit", testAudit},
		{"static-pod", testStaticPod},
		{"same-name", testSameName},
		{"permissions", testPermissions},
		{"confinement", testConfinement},
		{"tunnels", testTunnels},
		{"forwarding", testForwarding},
		{"closed-ports", testClosed},
	})
}

// TestAlone holds the topics that count packets, rows or leftovers and would count their neighbours' as well.
func TestAlone(t *testing.T) {
	inOrder(t, []topic{
		{"full-mtu", testFullMTU},
		{"flood", testFlood},
		{"zone-limit", testZoneLimit},
		{"churn", testChurn},
		{"cni", testCNI},
	})
}

// TestDisturbed holds the topics that break something and watch it heal.
func TestDisturbed(t *testing.T) {
	inOrder(t, []topic{
		{"self-heal", testSelfHeal},
		{"foreign-rows", testForeignRows},
		{"forwarding-open", testForwardingOpen},
		{"metrics-for-pods", testMetricsForPods},
		{"controller-restart", testControllerRestart},
		{"restarts", testRestarts},
		{"lost-databases", testLostDatabases},
		{"damaged-databases", testDamagedDatabases},
		{"vswitchd-restart", testVswitchdRestart},
		{"uninstall", testUninstall},
		{"reboot", testReboot},
		{"replaced", testReplaced},
	})
}

// topic is one thing that must hold; each has a file of its own.
type topic struct {
	name string
	test func(*testing.T)
}

func parallel(t *testing.T, topics []topic) {
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			topic.test(t)
		})
	}
}

func inOrder(t *testing.T, topics []topic) {
	for _, topic := range topics {
		t.Run(topic.name, topic.test)
	}
}
