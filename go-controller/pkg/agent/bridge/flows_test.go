package bridge

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/digitalocean/go-openvswitch/ovs"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/golden"
)

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func dualStack() Facts {
	return Facts{
		NIC: 1, OVN: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 11}, NodeIPs: []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")},
		Alias: []netip.Prefix{prefixP("169.254.64.0/29"), prefixP("fd69::/125")}, NodePort: config.PortRange{First: 30000, Last: 32767},
		Cluster: []netip.Prefix{prefixP("10.244.0.0/16"), prefixP("fd00:10:244::/56"), prefixP("10.96.0.0/16"), prefixP("fd00:10:96::/112")},
	}
}

// text shows flows as ovs-ofctl takes them, without what is the same in all.
func text(t *testing.T, flows []*ovs.Flow) string {
	var b strings.Builder
	for _, f := range flows {
		line, err := f.MarshalText()
		require.NoError(t, err)
		_, rest, _ := bytes.Cut(line, []byte(",cookie="))
		_, actions, _ := bytes.Cut(rest, []byte(",actions="))
		head, _, _ := bytes.Cut(line, []byte(",idle_timeout="))
		match, table, _ := bytes.Cut(head, []byte(",table="))
		b.WriteString("table=" + string(table) + " " + string(match) + " actions=" + string(actions) + "\n")
	}
	return b.String()
}

func TestFlows(t *testing.T) {
	only := func(is4 bool) Facts {
		b := dualStack()
		b.NodeIPs = []netip.Addr{b.NodeIPs[boolIndex(!is4)]}
		b.Alias = []netip.Prefix{b.Alias[boolIndex(!is4)]}
		b.Cluster = []netip.Prefix{b.Cluster[boolIndex(!is4)], b.Cluster[2+boolIndex(!is4)]}
		return b
	}
	alone := dualStack()
	alone.OVN = 0
	open := dualStack()
	open.Open = true
	for name, b := range map[string]Facts{"dual-stack": dualStack(), "ipv4": only(true), "ipv6": only(false), "before-ovn-controller": alone, "open": open} {
		t.Run(name, func(t *testing.T) {
			flows, err := b.Flows()
			require.NoError(t, err)
			golden.Compare(t, "flows-"+name, text(t, flows))
		})
	}
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The number of flows follows the number of families and of blocks of the node port range, and nothing else.
func TestNodePortRangeIsFewMatches(t *testing.T) {
	for r, blocks := range map[config.PortRange]int{
		{First: 30000, Last: 32767}: 5, {First: 32768, Last: 65535}: 1, {First: 30000, Last: 30000}: 1, {First: 1, Last: 65535}: 16,
	} {
		b := dualStack()
		b.NodePort = r
		flows, err := b.nodePorts(families[0])
		require.NoError(t, err)
		require.Len(t, flows, 3*blocks, "%v: tcp, udp and sctp", r)
	}
}

// What a network more costs is its own flows; all others keep their cookies.
func TestANetworkMoreIsItsOwnFlows(t *testing.T) {
	before, err := dualStack().Flows()
	require.NoError(t, err)
	more := dualStack()
	more.Cluster = append(more.Cluster, prefixP("10.245.0.0/16"))
	after, err := more.Flows()
	require.NoError(t, err)
	add, remove := difference(before, after)
	require.Len(t, add, 2, "drops from it and to it")
	require.Empty(t, remove)
	again, err := dualStack().Flows()
	require.NoError(t, err)
	require.Equal(t, Cookies(before), Cookies(again))
	for _, c := range Cookies(before) {
		require.Equal(t, mark, c&markMask)
	}
}
