package nodelink_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

func TestPortAddressesAreReadAsWritten(t *testing.T) {
	for text, ips := range map[string][]string{
		"0a:58:0a:f4:01:03 10.244.1.3":                  {"10.244.1.3"},
		"0a:58:0a:f4:01:03 10.244.1.3 fd00:10:244:1::3": {"10.244.1.3", "fd00:10:244:1::3"},
		"0a:58:00:00:00:03 fd00:10:244:1::3":            {"fd00:10:244:1::3"},
	} {
		require.Equal(t, text, nodelink.PortAddresses(addresses(ips...)))
		mac, got, err := nodelink.ParsePortAddresses(text)
		require.NoError(t, err)
		require.Equal(t, text[:17], mac.String())
		require.Equal(t, addresses(ips...), got)
	}
	for text, says := range map[string]string{
		"":                            `"" is not a MAC and IPs`,
		"unknown":                     `"unknown" is not a MAC and IPs`,
		"0a:58:0a:f4:01 10.244.1.3":   `read the MAC in "0a:58:0a:f4:01 10.244.1.3"`,
		"0a:58:0a:f4:01:03 10.244.1.": `read the IPs in "0a:58:0a:f4:01:03 10.244.1."`,
	} {
		_, _, err := nodelink.ParsePortAddresses(text)
		require.ErrorContains(t, err, says)
	}
}
