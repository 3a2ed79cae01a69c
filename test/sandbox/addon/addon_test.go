package addon

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestCoreDNSIsYAMLWithItsAddresses(t *testing.T) {
	text, err := CoreDNS("localhost/coredns:1", []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00::a")})
	require.NoError(t, err)
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(document), &object))
		if object["kind"] == "Service" {
			require.Equal(t, []any{"10.96.0.10", "fd00::a"}, object["spec"].(map[string]any)["clusterIPs"])
		}
	}
	require.Contains(t, text, "image: localhost/coredns:1\n")
}
