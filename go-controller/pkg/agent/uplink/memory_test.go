package uplink

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
)

func TestDecide(t *testing.T) {
	full := kernel.State{Addresses: has("192.0.2.11/24", "2001:db8::b/64"), Routes: []kernel.Route{via("0.0.0.0/0", "192.0.2.1", 0), via("::/0", "fe80::1", 1024)}}
	for name, c := range map[string]struct {
		remembered, nic, ex kernel.State
		rebooted            bool
		want                kernel.State
	}{
		"the first start": {nic: full, rebooted: true, want: full},
		"all is done":     {remembered: full, ex: full, want: full},
		"killed in the middle of the move: some is here, some there": {
			remembered: full, nic: kernel.State{Addresses: has("192.0.2.11/24")}, ex: kernel.State{Addresses: has("2001:db8::b/64"), Routes: full.Routes}, want: full,
		},
		"ovs-vswitchd was restarted: br-ex is empty": {remembered: full, want: full},
		"a reboot; nobody configures the NIC":        {remembered: full, rebooted: true, want: full},
		"a reboot; the NIC has a new address": {
			remembered: full, rebooted: true, nic: kernel.State{Addresses: has("192.0.2.12/24")}, want: kernel.State{Addresses: has("192.0.2.12/24")},
		},
		"a DHCP client puts the address on the NIC again": {remembered: full, ex: full, nic: kernel.State{Addresses: has("192.0.2.11/24")}, want: full},
		"an address was added to br-ex by hand": {
			remembered: full, ex: kernel.Merge(full, kernel.State{Addresses: has("198.51.100.7/32")}),
			want: kernel.Merge(full, kernel.State{Addresses: has("198.51.100.7/32")}),
		},
		"the default route was changed by hand": {
			remembered: full, ex: kernel.Merge(kernel.State{Routes: []kernel.Route{via("0.0.0.0/0", "192.0.2.254", 0)}}, full),
			want: kernel.Merge(kernel.State{Routes: []kernel.Route{via("0.0.0.0/0", "192.0.2.254", 0)}}, full),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(c.remembered, c.nic, c.ex, c.rebooted)
			require.Equal(t, kernel.Merge(c.want, kernel.State{}), got)
			require.Equal(t, got, decide(got, kernel.State{}, got, false), "a second look changes nothing")
		})
	}
}

func TestMemoryIsReadBack(t *testing.T) {
	m := Memory{NIC: "eth0", MAC: "02:00:00:00:00:0b", MTU: 1500, Boot: "b", Before: map[string]int{"ipv4/ip_forward": 0}, State: kernel.State{
		Addresses: []kernel.Address{{Prefix: prefixP("192.0.2.11/32"), Peer: prefixP("192.0.2.1/32"), NoPrefixRoute: true}},
		Routes: []kernel.Route{
			via("::/0", "fe80::1", 1024),
			{Dst: prefixP("0.0.0.0/0"), Table: 100, Hops: []kernel.Hop{{Gateway: addr("192.0.2.1"), Weight: 1}, {Gateway: addr("192.0.2.2"), OnLink: true}}},
			{Dst: prefixP("0.0.0.0/0"), Gateway: addr("192.0.2.1"), Source: addr("192.0.2.11"), Table: kernel.MainTable, OnLink: true, MTU: 1400, TOS: 16},
		},
	}}
	got, err := ParseMemory(m.String())
	require.NoError(t, err)
	require.Equal(t, m, got)
	none, err := ParseMemory("")
	require.NoError(t, err)
	require.Zero(t, none)
	_, err = ParseMemory("{")
	require.ErrorContains(t, err, "ovs-vsctl remove bridge br-ex external_ids woven.network/uplink")
}
