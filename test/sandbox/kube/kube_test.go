package kube

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/test/sandbox/plan"
)

func planOf(t *testing.T, families string) plan.Plan {
	t.Helper()
	o := plan.Defaults()
	o.Families = families
	p, err := plan.New(o)
	require.NoError(t, err)
	return p
}

func TestKubeletConfigIsYAMLWithEveryFamily(t *testing.T) {
	for families, dns := range map[string][]any{
		"dual": {"10.96.0.10", "fd00:10:96::a"}, "ipv4": {"10.96.0.10"}, "ipv6": {"fd00:10:96::a"},
	} {
		p := planOf(t, families)
		for i, taints := range []int{1, 0} {
			var config map[string]any
			require.NoError(t, yaml.UnmarshalStrict(KubeletConfig(p, p.Nodes[i], Paths{PKI: "/pki"}), &config))
			require.Equal(t, dns, config["clusterDNS"])
			require.Len(t, config["registerWithTaints"], taints)
			require.Equal(t, map[string]any{"nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
				config["evictionHard"])
		}
	}
}

func TestComponentsAgreeOnNetworks(t *testing.T) {
	p := planOf(t, "dual")
	services := "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112"
	require.Contains(t, APIServerArgs(p, Paths{}), services)
	require.Contains(t, ControllerManagerArgs(p, Paths{}), services)
	require.Contains(t, ControllerManagerArgs(p, Paths{}), "--cluster-cidr=10.244.0.0/16,fd00:10:244::/56")
	require.Contains(t, KubeletArgs(p.Nodes[1], Paths{}), "--node-ip=172.30.0.11,fd00:172:30::11")

	require.Contains(t, APIServerArgs(planOf(t, "ipv4"), Paths{}), "--bind-address=0.0.0.0")
	require.Contains(t, ControllerManagerArgs(planOf(t, "ipv6"), Paths{}), "--node-cidr-mask-size=64")
}
