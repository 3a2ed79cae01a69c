//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// testPacketFilter asserts that there is not one rule, chain, set or virtual server of the host's packet filter on
// any node and in a pod. The tools ask the kernel from the test's own mount namespace, so the pod needs none.
func testPacketFilter(t *testing.T) {
	ns := newNamespace(t)
	places := []place{podPlace(t, run(t, ns, netexec("pod", workers()[0].name))[0])}
	for _, n := range cluster.nodes {
		places = append(places, n.place(t))
	}
	for _, at := range places {
		for _, argv := range [][]string{
			{"iptables-nft-save"}, {"ip6tables-nft-save"}, {"iptables-legacy-save"}, {"ip6tables-legacy-save"}, {"nft", "list", "ruleset"},
		} {
			out, err := exec.CommandContext(t.Context(), "nsenter", append([]string{"--net=" + at.path}, argv...)...).CombinedOutput()
			require.NoErrorf(t, err, "%s: %q: %s", at.name, argv, out)
			assert.Emptyf(t, strings.TrimSpace(string(out)), "%s: %q", at.name, argv)
		}
		err := at.do(func() error {
			sets, err := netlink.IpsetListAll()
			assert.Emptyf(t, sets, "%s: ipset", at.name)
			return err
		})
		assert.NoErrorf(t, err, "%s: ipset", at.name)
		// Without the module there is no such file, and no virtual server.
		if services, err := at.read("/proc/thread-self/net/ip_vs"); err == nil {
			assert.LessOrEqualf(t, strings.Count(services, "\n"), 3, "%s: IPVS has virtual servers:\n%s", at.name, services)
		}
	}
	t.Logf("%d network namespaces have no rule", len(places))
}
