//go:build root

package podlink

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
)

func TestAPodIsConnectedAndConfigured(t *testing.T) {
	netlab.Enter(t)
	inPod := netlab.Other(t)
	netns := netlab.File(t, inPod)
	l := Link{
		Host: "w0123456789abcd", IfName: "eth0", Alias: "woven c1", MAC: net.HardwareAddr{0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x03},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.244.1.3/24"), netip.MustParsePrefix("fd00:10:244:1::3/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("10.244.1.1"), netip.MustParseAddr("fd00:10:244:1::1")},
	}
	for range 2 {
		host, err := Connect(l, netns, 1400, true)
		require.NoError(t, err)
		require.NoError(t, Configure(l, netns, host.Attrs().ParentIndex, true))
		require.NoError(t, kernel.Silence(host))
	}
	require.NoError(t, Verify(l, netns))
	netlab.In(t, inPod, func() {
		out := netlab.Run(t, "ip address show eth0; ip route; ip -6 route")
		for _, want := range []string{
			"mtu 1400", "link/ether 0a:58:0a:f4:01:03", "inet 10.244.1.3/24", "inet6 fd00:10:244:1::3/64 scope global nodad",
			"default via 10.244.1.1 dev eth0", "default via fd00:10:244:1::1 dev eth0",
		} {
			require.Contains(t, out, want)
		}
		require.Contains(t, out, "fe80::858:aff:fef4:103/64 scope link")
		require.NotContains(t, out, "tentative")
	})
	// With the kernel's own settings it would say five things in this time.
	time.Sleep(1500 * time.Millisecond)
	require.LessOrEqual(t, netlab.Link(t, l.Host).Attrs().Statistics.RxPackets, uint64(2), "packets that the pod's end sent by itself when it came up, each of them to every pod of the switch")
	host := netlab.Run(t, "ip address show "+l.Host)
	require.NotContains(t, host, "inet", "the kernel has no address on the host's end")
	require.Contains(t, host, "NOARP", "and answers nothing before it is deaf")
	deaf, err := kernel.IsQuiet(netlab.Link(t, l.Host))
	require.NoError(t, err)
	require.True(t, deaf)

	for _, damage := range []string{"ip route del default", "ip address del 10.244.1.3/24 dev eth0", "ip link set eth0 address 02:00:00:00:00:01"} {
		netlab.In(t, inPod, func() { netlab.Run(t, damage) })
		require.Error(t, Verify(l, netns), damage)
	}
	require.NoError(t, Disconnect(l.Host))
	require.NoError(t, Disconnect(l.Host), "nothing left to do")
	require.Error(t, Verify(l, netns))
	left, err := netlink.LinkList()
	require.NoError(t, err)
	require.Len(t, left, 1, "lo")
}

func TestWhatIsNoNamespaceIsRefused(t *testing.T) {
	require.Error(t, IsNetns(nil))
	plain, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer plain.Close()
	require.ErrorContains(t, IsNetns(plain), "unknown FS magic")
	require.NoError(t, IsNetns(netlab.File(t, netlab.Enter(t))))
}
