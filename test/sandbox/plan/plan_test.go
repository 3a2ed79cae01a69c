package plan

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultsGiveThreeDualStackNodes(t *testing.T) {
	p, err := New(Defaults())
	require.NoError(t, err)
	var names []string
	for _, m := range p.Machines() {
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"control-plane", "worker-1", "worker-2", "external"}, names)
	require.Equal(t, "[172.30.0.12/24 fd00:172:30::12/64]", fmt.Sprint(p.Nodes[2].Addresses))
	require.Equal(t, "172.30.0.10:6443", p.APIServer().String())
	require.Equal(t, "[10.96.0.10 fd00:10:96::a]", fmt.Sprint(p.DNS()))
	require.Equal(t, "[10.96.0.1 fd00:10:96::1]", fmt.Sprint(p.KubernetesService()))
}

func TestFamilies(t *testing.T) {
	for families, want := range map[string]string{
		"ipv4": "[172.30.0.10/24] [10.244.0.0/16] [10.96.0.0/16] 172.30.0.10:6443",
		"ipv6": "[fd00:172:30::10/64] [fd00:10:244::/56] [fd00:10:96::/112] [fd00:172:30::10]:6443",
	} {
		o := Defaults()
		o.Families = families
		p, err := New(o)
		require.NoError(t, err)
		got := fmt.Sprint(p.Nodes[0].Addresses) + " " + fmt.Sprint(p.ClusterCIDRs) + " " + fmt.Sprint(p.ServiceCIDRs) + " " + p.APIServer().String()
		require.Equal(t, want, got)
	}
}

func TestWrongOptionsSayWhatIsRight(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"choose 1 to 100":               func(o *Options) { o.Nodes = 0 },
		"choose dual, ipv4 or ipv6":     func(o *Options) { o.Families = "both" },
		"choose netdev (userspace) or ": func(o *Options) { o.Datapath = "kernel" },
	} {
		o := Defaults()
		change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
}

func TestAReplacedWorkerHasOtherAddresses(t *testing.T) {
	o := Defaults()
	o.Hosts = map[string]int{"worker-2": 52}
	p, err := New(o)
	require.NoError(t, err)
	require.Equal(t, "[172.30.0.52/24 fd00:172:30::52/64]", fmt.Sprint(p.Nodes[2].Addresses))
	for _, hosts := range []map[string]int{{"worker-2": 11}, {"worker-2": 200}, {"worker-2": 0}, {"worker-3": 52}, {ControlPlane: 52}} {
		o.Hosts = hosts
		_, err := New(o)
		require.Error(t, err, hosts)
	}
}
