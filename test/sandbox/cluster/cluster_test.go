package cluster

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/test/sandbox/image"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/plan"
)

func sandbox(t *testing.T, families string) *Cluster {
	t.Helper()
	t.Setenv("WOVEN_CACHE", t.TempDir())
	o := plan.Defaults()
	o.Families = families
	c, err := New(o, io.Discard)
	require.NoError(t, err)
	return c
}

func TestWovenConfigFollowsTheOptions(t *testing.T) {
	for families, want := range map[string]string{
		"dual": "ssl:172.30.0.10:6641", "ipv4": "ssl:172.30.0.10:6641", "ipv6": "ssl:[fd00:172:30::10]:6641",
	} {
		text, err := sandbox(t, families).wovenConfig()
		require.NoError(t, err)
		var object struct {
			Data map[string]string `json:"data"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(text), &object))
		c, err := config.Parse([]byte(object.Data["config.yaml"]))
		require.NoError(t, err)
		require.Equal(t, want, c.OVN.Northbound)
		require.Equal(t, "netdev", c.Datapath)
	}
}

func TestEverybodyHasACertificateForTheirAddresses(t *testing.T) {
	subjects := sandbox(t, "dual").subjects()
	require.Equal(t, "[127.0.0.1 ::1 172.30.0.10 fd00:172:30::10 10.96.0.1 fd00:10:96::1]", ips(subjects[kube.APIServer].IPs))
	kubelet := subjects[kube.KubeletName("worker-2")]
	require.Equal(t, "system:node:worker-2", kubelet.CommonName)
	require.Equal(t, []string{"system:nodes"}, kubelet.Organization)
	require.Equal(t, "[172.30.0.12 fd00:172:30::12]", ips(kubelet.IPs))
}

func ips(list []netip.Addr) string { return fmt.Sprint(list) }

func TestHostsAndOutsideNamesKnowEveryFamily(t *testing.T) {
	c := sandbox(t, "dual")
	require.Contains(t, hosts(c.Machines()), "fd00:172:30::11 worker-1\n")
	names := c.outsideNames()
	require.Contains(t, names, "172.30.0.200 external.sandbox.test\n")
	require.Contains(t, names, "2001:db8:64::1 remote.sandbox.test\n")
	require.NotContains(t, sandbox(t, "ipv6").outsideNames(), "172.30.")
}

func TestNoteSurvivesAFile(t *testing.T) {
	n := note{image.Woven: "1", image.OVN: "2"}
	file := filepath.Join(t.TempDir(), "images")
	require.NoError(t, os.WriteFile(file, []byte(n.text()), 0o644))
	again, err := readNote(file)
	require.NoError(t, err)
	require.Equal(t, n, again)

	none, err := readNote(file + ".none")
	require.NoError(t, err)
	require.Empty(t, none)
}
