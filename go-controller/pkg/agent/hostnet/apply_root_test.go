//go:build root

package hostnet

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

func TestHostIsSetUpAndTakenBack(t *testing.T) {
	netlab.Enter(t)
	netlab.Device(t, nodelink.HostInterface, "0a:58:0a:f4:01:02")
	netlab.Device(t, nodelink.ExternalBridge, netlab.NICMAC)
	netlab.Run(t, `ip address add 192.0.2.11/24 dev br-ex; ip address add 2001:db8::b/64 dev br-ex nodad
		sysctl -qw net.ipv4.conf.all.rp_filter=1`)
	rules := netlab.Run(t, "ip rule; ip -6 rule")
	h, err := southbound.HostPortOf(hostBinding())
	require.NoError(t, err)
	ips := []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}
	plan := PlanHost(h.Addresses, h.Subnets, ips, parsed(t))
	for range 2 {
		require.NoError(t, plan.Apply(netlab.Link(t, nodelink.HostInterface), netlab.Link(t, nodelink.ExternalBridge)))
	}
	// The kernel shall choose as the plan means it to.
	for to, want := range map[string]string{
		"10.244.7.7":                          "via 10.244.1.1 dev ovn0 src 10.244.1.2",
		"10.96.0.1":                           "via 10.244.1.1 dev ovn0 src 10.244.1.2",
		"10.244.1.9":                          "10.244.1.9 dev ovn0 src 10.244.1.2",
		"192.0.2.11 ipproto tcp dport 30080":  "via 10.244.1.1 dev ovn0 table 8787 src 10.244.1.2",
		"192.0.2.11 ipproto udp dport 32767":  "via 10.244.1.1 dev ovn0 table 8787 src 10.244.1.2",
		"192.0.2.11 ipproto tcp dport 22":     "local 192.0.2.11 dev lo",
		"169.254.64.1":                        "169.254.64.1 dev br-ex src 169.254.64.3",
		"fd00:10:244:7::7":                    "via fd00:10:244:1::1 dev ovn0 proto 87 src fd00:10:244:1::2",
		"2001:db8::b ipproto tcp dport 30080": "via fd00:10:244:1::1 dev ovn0 table 8787 proto 87 src fd00:10:244:1::2",
		"2001:db8::77":                        "2001:db8::77 from :: dev br-ex proto kernel src 2001:db8::b",
	} {
		require.Contains(t, netlab.Run(t, "ip route get "+to), want, to)
	}
	forwarded := []string{
		// from the underlay to pods and Services
		"10.244.7.7 from 198.51.100.9 iif br-ex", "10.244.1.9 from 198.51.100.9 iif br-ex", "10.96.0.1 from 198.51.100.9 iif br-ex",
		"fd00:10:244:7::7 from 2001:db8:9::9 iif br-ex", "fd00:10:244:1::9 from 2001:db8:9::9 iif br-ex", "fd00:10:96::1 from 2001:db8:9::9 iif br-ex",
	}
	fromPods := []string{
		"198.51.100.9 from 10.244.1.9 iif ovn0", "169.254.64.1 from 10.244.1.9 iif ovn0", "10.244.1.9 from 10.244.1.8 iif ovn0",
		"2001:db8:9::9 from fd00:10:244:1::9 iif ovn0", "fd69::1 from fd00:10:244:1::9 iif ovn0",
	}
	toHost := []string{
		"192.0.2.11 from 10.244.1.9 iif ovn0", "10.244.1.2 from 10.244.1.9 iif ovn0", "2001:db8::b from fd00:10:244:1::9 iif ovn0",
		"192.0.2.11 from 198.51.100.9 iif br-ex", "2001:db8::b from 2001:db8:9::9 iif br-ex",
	}
	netlab.Run(t, `sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1`)
	for _, way := range slices.Concat(forwarded, fromPods) {
		require.True(t, noRoute(t, way), way)
	}
	for _, answer := range []string{"10.244.1.9 ipproto tcp sport 9411 dport 40000", "fd00:10:244:7::7 ipproto tcp sport 6642 dport 40000"} {
		require.True(t, noRoute(t, answer), answer)
	}
	require.Contains(t, netlab.Run(t, "ip route get 10.244.1.9 ipproto tcp sport 9412 dport 40000"), "dev ovn0")
	require.Contains(t, netlab.Run(t, "ip route get 10.244.1.9 ipproto tcp sport 40000 dport 9411"), "dev ovn0")
	for _, way := range toHost {
		require.Contains(t, netlab.Run(t, "ip route get "+way), "local", way)
	}
	// A turn that finds all as it should be changes nothing: a change would wake the loop for the next one.
	routes, rulesSeen := make(chan netlink.RouteUpdate, 64), netlab.Run(t, "ip rule; ip -6 rule")
	done := make(chan struct{})
	require.NoError(t, netlink.RouteSubscribe(routes, done))
	require.NoError(t, plan.Apply(netlab.Link(t, nodelink.HostInterface), netlab.Link(t, nodelink.ExternalBridge)))
	netlab.Run(t, "ip route add blackhole 203.0.113.7") // What was changed before has been told before.
	require.Equal(t, "203.0.113.7/32", (<-routes).Dst.String())
	close(done)
	require.Equal(t, rulesSeen, netlab.Run(t, "ip rule; ip -6 rule"))
	// What the kernel looks up without any interface is no forwarded packet: next hops of routes, for one.
	netlab.Run(t, "ip -6 route flush table 8787")
	require.NoError(t, plan.Apply(netlab.Link(t, nodelink.HostInterface), netlab.Link(t, nodelink.ExternalBridge)))
	require.Contains(t, netlab.Run(t, "ip -6 route show table 8787"), "default via fd00:10:244:1::1 dev ovn0")
	require.Equal(t, "0", strings.TrimSpace(netlab.Run(t, "cat /proc/sys/net/ipv4/conf/all/rp_filter")))
	require.Equal(t, "1", strings.TrimSpace(netlab.Run(t, "cat /proc/sys/net/ipv4/conf/br-ex/rp_filter")), "stays as strict as it was")
	require.Contains(t, netlab.Run(t, "ip neighbour"), "169.254.64.1 dev br-ex lladdr 02:00:00:00:00:0b PERMANENT")

	// The node's pod networks change; somebody removes a rule.
	netlab.Run(t, "ip rule del pref 50 ipproto udp")
	other, err := southbound.HostPortOf(hostBinding())
	require.NoError(t, err)
	other.Subnets = []netip.Prefix{prefixP("10.244.2.0/24")}
	other.Addresses = []netip.Prefix{prefixP("10.244.2.2/24")}
	require.NoError(t, PlanHost(other.Addresses, other.Subnets, ips, parsed(t)).Apply(netlab.Link(t, nodelink.HostInterface), netlab.Link(t, nodelink.ExternalBridge)))
	require.Contains(t, netlab.Run(t, "ip route get 10.96.0.1"), "via 10.244.2.1 dev ovn0 src 10.244.2.2")
	require.Contains(t, netlab.Run(t, "ip route get 192.0.2.11 ipproto udp dport 30080"), "dev ovn0")
	require.NotContains(t, netlab.Run(t, "ip address; ip route show table all; ip -6 route show table all"), "10.244.1.")

	require.NoError(t, Remove())
	require.Equal(t, rules, netlab.Run(t, "ip rule; ip -6 rule"))
	require.Empty(t, netlab.Run(t, "ip route show table all proto 87; ip -6 route show table all proto 87"))
}

// noRoute tells whether the kernel drops what comes that way, in the words of `ip route get`.
func noRoute(t *testing.T, way string) bool {
	out := netlab.Run(t, "ip route get "+way+" 2>&1 || true")
	return strings.Contains(out, "blackhole") || strings.Contains(out, "RTNETLINK answers: Invalid argument")
}
