package southbound

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
)

func hostBinding() *sb.PortBinding {
	return &sb.PortBinding{
		LogicalPort: "a-host", MAC: []string{"0a:58:0a:f4:01:02 10.244.1.2 fd00:10:244:1::2"},
		ExternalIDs: map[string]string{nodelink.SubnetsKey: "10.244.1.0/24 fd00:10:244:1::/64"},
	}
}

func TestPortsOfBindings(t *testing.T) {
	h, err := HostPortOf(hostBinding())
	require.NoError(t, err)
	require.Equal(t, "0a:58:0a:f4:01:02", h.MAC.String())
	require.Equal(t, "10.244.1.2/24 fd00:10:244:1::2/64", nodelink.Words(h.Addresses))

	p, err := PodPortOf(&sb.PortBinding{LogicalPort: "ns/pod", MAC: []string{"0a:58:0a:f4:01:03 10.244.1.3 fd00:10:244:1::3"}}, h.Subnets)
	require.NoError(t, err)
	require.Equal(t, "10.244.1.3/24 fd00:10:244:1::3/64", nodelink.Words(p.Addresses))
	require.Equal(t, "10.244.1.1 fd00:10:244:1::1", nodelink.Words(p.Gateways))

	for mac, want := range map[string]string{
		"":                             "has no address",
		"unknown":                      "is not a MAC and IPs",
		"0a:58:0a:f4:01:03":            "is not a MAC and IPs",
		"0a:58:zz 10.244.1.3":          "invalid MAC",
		"0a:58:0a:f4:01:03 10.244.1":   "10.244.1",
		"0a:58:0a:f4:01:03 10.244.2.3": "10.244.2.3 is in no pod network of this node [10.244.1.0/24 fd00:10:244:1::/64]",
	} {
		b := &sb.PortBinding{LogicalPort: "ns/pod", MAC: strings.SplitN(mac, "|", 2)}
		if mac == "" {
			b.MAC = nil
		}
		_, err := PodPortOf(b, h.Subnets)
		require.ErrorContains(t, err, want)
	}
	_, err = HostPortOf(&sb.PortBinding{LogicalPort: "a-host"})
	require.ErrorContains(t, err, "external_ids:woven.network/subnets is empty")
}
