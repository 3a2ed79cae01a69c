package agent

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func via(dst, gateway string, metric int) route {
	return route{Dst: prefixP(dst), Gateway: addr(gateway), Table: mainTable, Metric: metric, Protocol: unix.RTPROT_STATIC}
}

func has(prefixes ...string) []address {
	var all []address
	for _, p := range prefixes {
		all = append(all, address{Prefix: prefixP(p)})
	}
	return all
}

func TestDecide(t *testing.T) {
	full := netState{Addresses: has("192.0.2.11/24", "2001:db8::b/64"), Routes: []route{via("0.0.0.0/0", "192.0.2.1", 0), via("::/0", "fe80::1", 1024)}}
	for name, c := range map[string]struct {
		remembered, nic, ex netState
		rebooted            bool
		want                netState
	}{
		"the first start": {nic: full, rebooted: true, want: full},
		"all is done":     {remembered: full, ex: full, want: full},
		"killed in the middle of the move: some is here, some there": {
			remembered: full, nic: netState{Addresses: has("192.0.2.11/24")}, ex: netState{Addresses: has("2001:db8::b/64"), Routes: full.Routes}, want: full,
		},
		"ovs-vswitchd was restarted: br-ex is empty": {remembered: full, want: full},
		"a reboot; nobody configures the NIC":        {remembered: full, rebooted: true, want: full},
		"a reboot; the NIC has a new address": {
			remembered: full, rebooted: true, nic: netState{Addresses: has("192.0.2.12/24")}, want: netState{Addresses: has("192.0.2.12/24")},
		},
		"a DHCP client puts the address on the NIC again": {remembered: full, ex: full, nic: netState{Addresses: has("192.0.2.11/24")}, want: full},
		"an address was added to br-ex by hand": {
			remembered: full, ex: merge(full, netState{Addresses: has("198.51.100.7/32")}),
			want: merge(full, netState{Addresses: has("198.51.100.7/32")}),
		},
		"the default route was changed by hand": {
			remembered: full, ex: merge(netState{Routes: []route{via("0.0.0.0/0", "192.0.2.254", 0)}}, full),
			want: merge(netState{Routes: []route{via("0.0.0.0/0", "192.0.2.254", 0)}}, full),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(c.remembered, c.nic, c.ex, c.rebooted)
			require.Equal(t, c.want.sorted(), got)
			require.Equal(t, got, decide(got, netState{}, got, false), "a second look changes nothing")
		})
	}
}

func TestRoutesToLinksComeBeforeRoutesByGateways(t *testing.T) {
	onLink := route{Dst: prefixP("192.0.2.1/32"), Table: mainTable, Scope: unix.RT_SCOPE_LINK}
	s := netState{Routes: []route{via("0.0.0.0/0", "192.0.2.1", 100), via("10.0.0.0/8", "192.0.2.1", 0), onLink}}.sorted()
	require.Equal(t, onLink, s.Routes[0])
}

func TestMemoryIsReadBack(t *testing.T) {
	m := memory{NIC: "eth0", MAC: "02:00:00:00:00:0b", MTU: 1500, Boot: "b", Before: map[string]int{"ipv4/ip_forward": 0}, netState: netState{
		Addresses: []address{{Prefix: prefixP("192.0.2.11/32"), Peer: prefixP("192.0.2.1/32"), NoPrefixRoute: true}},
		Routes: []route{
			via("::/0", "fe80::1", 1024),
			{Dst: prefixP("0.0.0.0/0"), Table: 100, Hops: []hop{{Gateway: addr("192.0.2.1"), Weight: 1}, {Gateway: addr("192.0.2.2"), OnLink: true}}},
			{Dst: prefixP("0.0.0.0/0"), Gateway: addr("192.0.2.1"), Source: addr("192.0.2.11"), Table: mainTable, OnLink: true, MTU: 1400, TOS: 16},
		},
	}}
	got, err := parseMemory(m.String())
	require.NoError(t, err)
	require.Equal(t, m, got)
	none, err := parseMemory("")
	require.NoError(t, err)
	require.Zero(t, none)
	_, err = parseMemory("{")
	require.ErrorContains(t, err, "ovs-vsctl remove bridge br-ex external_ids woven.network/uplink")
}

func TestNextHopsAreTheBestOfEachFamily(t *testing.T) {
	s := netState{Routes: []route{
		via("0.0.0.0/0", "192.0.2.9", 200), via("0.0.0.0/0", "192.0.2.1", 100), via("10.0.0.0/8", "192.0.2.8", 0),
		{Dst: prefixP("::/0"), Table: mainTable, Hops: []hop{{Gateway: addr("2001:db8::1")}, {Gateway: addr("2001:db8::2")}}},
		{Dst: prefixP("0.0.0.0/0"), Gateway: addr("192.0.2.7"), Table: 100},
	}}
	require.Equal(t, []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}, s.nextHops())
	require.Empty(t, netState{}.nextHops())
}

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }
