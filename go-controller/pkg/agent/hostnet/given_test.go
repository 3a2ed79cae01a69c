package hostnet

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
)

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func parsed(t *testing.T) *config.Parsed {
	c, err := config.Parse([]byte(`
clusterCIDRs: [10.244.0.0/16, "fd00:10:244::/56"]
serviceCIDRs: [10.96.0.0/16, "fd00:10:96::/112"]
datapath: netdev
ovn: {northbound: "tcp:192.0.2.1:6641", southbound: "tcp:192.0.2.1:6642"}
`))
	require.NoError(t, err)
	return c
}

func hostBinding() *sb.PortBinding {
	return &sb.PortBinding{
		LogicalPort: "a-host", MAC: []string{"0a:58:0a:f4:01:02 10.244.1.2 fd00:10:244:1::2"},
		ExternalIDs: map[string]string{nodelink.SubnetsKey: "10.244.1.0/24 fd00:10:244:1::/64"},
	}
}
