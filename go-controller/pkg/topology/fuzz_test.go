package topology_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// FuzzNode translates a Node whose networks and addresses, and whose agent's message, are any text.
func FuzzNode(f *testing.F) {
	f.Add("10.244.1.0/24", "fd00:10:244:1::/64", "172.30.0.11", "fd00:172:30::11", "woven-mac=02:00:00:00:00:0b,woven-ip4=172.30.0.11/24,woven-via4=172.30.0.1")
	f.Add("10.244.1.0/24", "10.244.2.0/24", "fe80::1%eth0", "::ffff:172.30.0.11", "woven-mac=02:00:00:00:00:0b,woven-ip6=fd00::1/128,woven-via6=fe80::1")
	f.Add("0.0.0.0/0", "::/0", "0.0.0.0", "::", "woven-mac=00:00:00:00:00:00,woven-ip4=0.0.0.0/0,woven-via4=0.0.0.0")
	f.Add("10.244.1.0/30", "fd00:10:244::/127", "", "a\x00", "woven-mac")
	f.Fuzz(func(t *testing.T, first, second, address, other, message string) {
		c := dual(t)
		var podCIDRs []string
		for _, text := range []string{first, second} {
			if text != "" {
				podCIDRs = append(podCIDRs, text)
			}
		}
		v := kube.NewView(node("worker-1", 1, podCIDRs, address, other), node("worker-2", 2, bothCIDRs, address))
		subnets, err := topology.Subnets(v, c, "worker-1")
		require.Equal(t, err != nil, len(subnets) == 0)
		families := map[bool]bool{}
		for _, s := range subnets {
			require.False(t, families[s.Addr().Is4()], "two networks of one family: %v", subnets)
			families[s.Addr().Is4()] = true
			require.True(t, c.Cluster[0].Contains(s.Addr()) || c.Cluster[1].Contains(s.Addr()), "%s is outside of the cluster", s)
		}
		facts := facts()
		if facts.Gateway, err = nodelink.ParseGateway(message); err != nil {
			facts.Gateway = nodelink.Gateway{}
		}
		rows := append(nodeRows(t, v, c, "worker-1", facts), nodeRows(t, v, c, "worker-2", facts)...)
		seen := map[row.ID]bool{}
		for _, r := range rows {
			require.False(t, seen[r.ID], "%s twice", r.ID)
			seen[r.ID] = true
		}
		text := golden.Rows(rows)
		require.True(t, utf8.ValidString(text) && !strings.Contains(text, "\x00"))
		require.NotContains(t, text, "%", "an address with a zone means nothing outside of its host")
		require.NotContains(t, text, "invalid IP")
		require.NotContains(t, text, "invalid Prefix")
	})
}

func TestANodeHasOneNetworkOfAFamily(t *testing.T) {
	v := kube.NewView(node("a", 1, []string{"10.244.1.0/24", "10.244.2.0/24"}))
	_, err := topology.Subnets(v, dual(t), "a")
	require.ErrorContains(t, err, "more than one network of a family")
}

func TestAddressesThatMeanNothingAreLeftOut(t *testing.T) {
	n := node("a", 1, bothCIDRs, "fe80::1%eth0", "::", "0.0.0.0", "127.0.0.1", "224.0.0.1", "x", "::ffff:172.30.0.11", "172.30.0.11")
	n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: "172.30.0.99"})
	text := golden.Rows(nodeRows(t, kube.NewView(n), dual(t), "a", known{}))
	require.Equal(t, 1, strings.Count(text, "reroute"), text)
	require.Contains(t, text, "ip4.dst == 172.30.0.11")
}
