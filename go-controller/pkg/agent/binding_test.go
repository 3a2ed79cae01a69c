package agent

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPodMTU(t *testing.T) {
	require.Equal(t, 1500, podMTU(1600, 0))
	require.Equal(t, 1400, podMTU(1500, 0))
	require.Equal(t, 1400, podMTU(9000, 1400))
}

func TestParseIPs(t *testing.T) {
	ips, err := ParseIPs("2001:db8::b, 192.0.2.11")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}, ips)
	_, err = ParseIPs("192.0.2.11,192.0.2.12")
	require.ErrorContains(t, err, "two addresses of one family")
	_, err = ParseIPs("")
	require.ErrorContains(t, err, "set it from status.hostIPs")
}
