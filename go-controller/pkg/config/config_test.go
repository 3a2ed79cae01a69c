package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/go-controller/pkg/config"
)

const minimal = `
clusterCIDRs: ["fd00:10:244::/56", 10.244.0.0/16]
serviceCIDRs: [10.96.0.0/16]
ovn: {northbound: "tcp:192.0.2.1:6641", southbound: "unix:/run/ovn/sb.sock,tcp:[2001:db8::1]:6642"}
`

func TestDefaultsAndOrder(t *testing.T) {
	c, err := config.Parse([]byte(minimal))
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/56")}, c.Cluster, "IPv4 first")
	require.Equal(t, config.PortRange{First: 30000, Last: 32767}, c.NodePort)
	require.Len(t, c.Join, 2)
	require.Len(t, c.Alias, 2)
	require.Equal(t, "system", c.Datapath)
	require.Equal(t, "info", c.LogLevel)
}

func TestClosedPorts(t *testing.T) {
	for add, want := range map[string][]uint16{
		"":                    {6641, 6642, 6643, 6644, 9410, 9411},
		"metricsAccess: pods": {6641, 6642, 6643, 6644},
	} {
		c, err := config.Parse([]byte(minimal + add))
		require.NoError(t, err)
		require.Equal(t, want, c.ClosedPorts())
	}
	c, err := config.Parse([]byte(strings.ReplaceAll(minimal, ":6642", ":16642")))
	require.NoError(t, err)
	require.Contains(t, c.ClosedPorts(), uint16(16642))
}

func TestEachWrongFieldIsNamedWithWhatItMayBe(t *testing.T) {
	for name, test := range map[string]struct{ add, says string }{
		"unknown field":    {"colour: red", `unknown field "colour"`},
		"no network":       {"joinCIDRs: [ten]", `joinCIDRs: "ten" is not a network; write it as`},
		"host bits":        {"joinCIDRs: [100.64.0.1/16]", "joinCIDRs: 100.64.0.1/16 has bits behind its prefix length; write 100.64.0.0/16"},
		"two of a family":  {"aliasCIDRs: [169.254.1.0/29, 169.254.2.0/29]", "aliasCIDRs: has 2 IPv4 and 0 IPv6 networks"},
		"overlap":          {"joinCIDRs: [10.244.128.0/20]", "clusterCIDRs: 10.244.0.0/16 overlaps 10.244.128.0/20 of joinCIDRs"},
		"port range":       {"nodePortRange: 40000-30000", `nodePortRange: "40000-30000" is not a range of ports`},
		"mtu":              {"mtu: 12", "mtu: 12 is not possible; write 576 to 65000"},
		"connections":      {"podConnections: -1", "podConnections: -1 is not possible; write 1 to 4294967295, or 0 for no bound"},
		"datapath":         {"datapath: ebpf", `datapath: "ebpf" is not known; write one of system, netdev`},
		"forwarding":       {"forwarding: closed", `forwarding: "closed" is not known; write one of cluster, open`},
		"metrics access":   {"metricsAccess: all", `metricsAccess: "all" is not known; write one of nodes, pods`},
		"log level":        {"logLevel: loud", `logLevel: "loud" is not known; write one of debug, info, warn, error`},
		"api server":       {"apiServer: 192.0.2.1", `apiServer: "192.0.2.1" is not a URL`},
		"alias too narrow": {"aliasCIDRs: [169.254.1.0/31]", "aliasCIDRs: 169.254.1.0/31 is too small"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(minimal + test.add))
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestAllWrongFieldsAreNamedAtOnce(t *testing.T) {
	_, err := config.Parse([]byte("clusterCIDRs: []\nserviceCIDRs: [x]\nmtu: 1\novn: {northbound: 'ssl:192.0.2.1:6641', southbound: here}\n"))
	require.Error(t, err)
	for _, field := range []string{"clusterCIDRs:", "serviceCIDRs:", "mtu:", "ovn.southbound:", "ovn.privateKey:", "ovn.certificate:", "ovn.caCertificate:"} {
		require.Contains(t, err.Error(), field)
	}
	require.Equal(t, 7, strings.Count(err.Error(), "\n")+1, "a line for each: %s", err)
}

func TestMissingFileSaysWhatToDo(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "name a file with --config")
}

func TestTheExampleIsValid(t *testing.T) {
	text, err := os.ReadFile("../../../dist/example-config.yaml")
	require.NoError(t, err)
	var object struct{ Data map[string]string }
	require.NoError(t, yaml.Unmarshal(text, &object))
	_, err = config.Parse([]byte(object.Data["config.yaml"]))
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("clusterCIDRs: 7"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse(text)
		if err == nil {
			require.NotEmpty(t, c.Cluster, "a valid configuration has a network for pods")
			require.LessOrEqual(t, c.NodePort.First, c.NodePort.Last)
		}
	})
}
