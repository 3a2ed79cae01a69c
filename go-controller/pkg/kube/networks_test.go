package kube

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNetworkKeys(t *testing.T) {
	for text, want := range map[string][]string{
		"10.244.1.0/24":   {"10.244.1.0"},
		"10.244.1.128/25": {"10.244.1.0"},
		"10.244.0.0/22":   {"10.244.0.0", "10.244.1.0", "10.244.2.0", "10.244.3.0"},
		"10.0.0.0/8":      {wide},
		"0.0.0.0/0":       {wide},
		"fd00::/64":       {"fd00::"},
		"fd00::8000/113":  {"fd00::"},
		"fd00::/63":       {"fd00::", "fd00:0:0:1::"},
		"fd00::/48":       {wide},
	} {
		assert.Equal(t, want, networkKeys(netip.MustParsePrefix(text)), text)
	}
	assert.Len(t, networkKeys(netip.MustParsePrefix("10.0.0.0/16")), 256)
}

func TestNodesNearMissesNone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func() netip.Prefix {
		if r.IntN(2) == 0 {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(r.IntN(4)), byte(r.IntN(256))}), 12+r.IntN(18)).Masked()
		}
		a := netip.MustParseAddr("fd00:10:244::").As16()
		a[7], a[9] = byte(r.IntN(4)), byte(r.IntN(256))
		return netip.PrefixFrom(netip.AddrFrom16(a), 44+r.IntN(36)).Masked()
	}
	v := NewView()
	var claimed []netip.Prefix
	for i := range 200 {
		p := random()
		claimed = append(claimed, p)
		v.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(rune(1000 + i))}, Spec: corev1.NodeSpec{PodCIDRs: []string{p.String()}}})
	}
	for range 300 {
		asked := random()
		near := v.NodesNear(asked)
		for i, p := range claimed {
			if p.Overlaps(asked) {
				require.True(t, slices.ContainsFunc(near, func(n *corev1.Node) bool { return n.Name == string(rune(1000+i)) }), "%s and %s", asked, p)
			}
		}
	}
}
