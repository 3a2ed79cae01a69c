//go:build root

package uplink

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// routes shows a node's routes and addresses, without what differs with the interface's name.
func routes(t *testing.T) string {
	out := netlab.Run(t, `ip -o address show scope global | sed 's/^[0-9]*: //; s/\\.*//; s/ brd [^ ]*//'; ip -4 route show table all; ip -6 route show table all | grep -v fe80 | grep -v ff00 | grep -v anycast | grep -v ^local`)
	return strings.NewReplacer("br-ex", "DEV", "eth0", "DEV").Replace(out)
}

func aUplink(t *testing.T, nic netlink.Link) Uplink {
	u, err := Find(Memory{}, []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}, nil)
	require.NoError(t, err)
	require.Equal(t, nic.Attrs().Name, u.Memory.NIC)
	return u
}

func TestAllThatANICHasMovesAndComesBack(t *testing.T) {
	nic := netlab.Node(t)
	before := routes(t)
	require.Contains(t, before, "default via 203.0.113.1 dev DEV metric 200 onlink")

	u := aUplink(t, nic)
	netlab.Device(t, nodelink.ExternalBridge, netlab.NICMAC)
	u = again(t, u)
	require.NoError(t, u.Move())
	require.Equal(t, before, routes(t))
	require.Empty(t, netlab.Run(t, "ip -o address show dev eth0 scope global; ip route show dev eth0; ip -6 route show dev eth0"))
	require.Equal(t, "[192.0.2.1 2001:db8::1]", strings.ReplaceAll(sprint(u.Memory.NextHops()), ", ", " "))

	// Again: nothing to do. And again after br-ex came back empty, as after a restart of ovs-vswitchd.
	u = again(t, u)
	require.NoError(t, u.Move())
	require.Equal(t, before, routes(t))
	netlab.Run(t, "ip link del br-ex")
	netlab.Device(t, nodelink.ExternalBridge, netlab.NICMAC)
	u = again(t, u)
	require.NoError(t, u.Move())
	require.Equal(t, before, routes(t))

	// A DHCP client renews its lease on the NIC.
	netlab.Run(t, "ip address add 192.0.2.11/24 dev eth0; ip route append default via 192.0.2.1 dev eth0 metric 100")
	u = again(t, u)
	require.NoError(t, u.Move())
	require.Empty(t, netlab.Run(t, "ip -o address show dev eth0 scope global"))

	ips := []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}
	require.NoError(t, Restore(u.Memory, ips, []netip.Prefix{prefixP("169.254.64.3/29"), prefixP("fd69::3/125")}))
	require.Empty(t, netlab.Run(t, "ip -o address show dev br-ex scope global"))
	netlab.Run(t, "ip link del br-ex")
	got := routes(t)
	require.Contains(t, got, "default via 203.0.113.1 dev DEV metric 200 onlink")
	require.Contains(t, got, "nexthop via 192.0.2.1 dev DEV weight 3")
	require.Contains(t, got, "192.0.2.12/24")
	require.Contains(t, got, "default via 2001:db8::1 dev DEV metric 512")
}

// While ovs-vswitchd is away, br-ex has no carrier, or is gone; the NIC serves until it is back.
func TestTheNICServesWhileBrExIsDead(t *testing.T) {
	nic := netlab.Node(t)
	before := routes(t)
	u := aUplink(t, nic)
	netlab.Device(t, nodelink.ExternalBridge, netlab.NICMAC)
	u = again(t, u)
	require.NoError(t, kernel.Quiet(nic))
	require.NoError(t, u.Move())
	away, err := Rescue(u.Memory)
	require.NoError(t, err)
	require.False(t, away)
	require.Equal(t, before, routes(t))

	// An agent that starts while the Open_vSwitch database is away knows it from the kernel alone.
	netlab.Run(t, "ip link set br-ex name x; ip link add br-ex address "+netlab.NICMAC+" type veth peer name down; ip link set br-ex up")
	stale := netlab.Link(t, nodelink.ExternalBridge)
	require.NoError(t, kernel.AddState(stale, u.Memory.State, kernel.State{}))
	netlab.Run(t, "ip link del x")
	m, err := Recall([]netip.Addr{addr("192.0.2.11")}, nil)
	require.NoError(t, err)
	require.Equal(t, "eth0", m.NIC)
	require.Equal(t, u.Memory.Addresses, m.Addresses)
	require.Len(t, m.Routes, len(u.Memory.Routes))

	for _, dead := range []string{"ip link del br-ex", "ip link add br-ex type veth peer name down; ip link set br-ex up"} {
		netlab.Run(t, dead)
		for range 2 {
			away, err = Rescue(u.Memory)
			require.NoError(t, err)
			require.True(t, away)
			require.Contains(t, netlab.Run(t, "ip -o address show dev eth0; ip route show dev eth0; ip -6 route show dev eth0"), "default via 2001:db8::1")
			deaf, err := kernel.IsQuiet(nic)
			require.NoError(t, err)
			require.False(t, deaf)
		}
	}
	netlab.Run(t, "ip link del br-ex")
	require.Equal(t, before, routes(t))
	netlab.Device(t, nodelink.ExternalBridge, netlab.NICMAC)
	u = again(t, u)
	require.NoError(t, u.Move())
	require.Equal(t, before, routes(t))
	require.Empty(t, netlab.Run(t, "ip -o address show dev eth0 scope global"))
}

func again(t *testing.T, u Uplink) Uplink {
	next, err := Find(u.Memory, []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}, nil)
	require.NoError(t, err)
	return next
}

func sprint(hops []netip.Addr) string {
	return "[" + nodelink.Words(hops) + "]"
}

// An ssh session must not notice. br-ex is a bridge of the kernel's here, which takes the packets from the
// NIC as Open vSwitch does.
func TestAConnectionOutlivesTheMove(t *testing.T) {
	world := netlab.Other(t)
	netlab.Enter(t)
	netlab.Run(t, "ip link add eth0 type veth peer name peer; ip address add 192.0.2.11/24 dev eth0; ip link set eth0 up")
	require.NoError(t, netlink.LinkSetNsFd(netlab.Link(t, "peer"), int(world)))
	netlab.In(t, world, func() { netlab.Run(t, "ip address add 192.0.2.1/24 dev peer; ip link set peer up") })
	netlab.Echo(t, "192.0.2.11:22")
	var conn net.Conn
	netlab.In(t, world, func() {
		var err error
		conn, err = net.DialTimeout("tcp", "192.0.2.11:22", netlab.Patience)
		require.NoError(t, err)
	})
	defer func() { _ = conn.Close() }()
	say := func() {
		t.Helper()
		require.NoError(t, conn.SetDeadline(time.Now().Add(netlab.Patience)))
		_, err := conn.Write([]byte("hello"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 5))
		require.NoError(t, err)
	}
	say()
	ips := []netip.Addr{addr("192.0.2.11")}
	u, err := Find(Memory{}, ips, nil)
	require.NoError(t, err)
	netlab.Run(t, "mac=$(cat /sys/class/net/eth0/address); ip link add br-ex address $mac type bridge; ip link set br-ex up; ip link set eth0 master br-ex")
	u, err = Find(u.Memory, ips, nil)
	require.NoError(t, err)
	require.NoError(t, u.Move())
	say()
	require.NoError(t, Restore(u.Memory, ips, nil))
	netlab.Run(t, "ip link set eth0 nomaster; ip link del br-ex")
	say()
}

func TestTheKernelIsDeafOnAQuietInterface(t *testing.T) {
	world := netlab.Other(t)
	netlab.Enter(t)
	netlab.Run(t, "ip link add eth0 type veth peer name peer; ip link set eth0 up; ip address add 192.0.2.11/24 dev eth0; sysctl -qw net.ipv4.conf.eth0.rp_filter=0")
	require.NoError(t, netlink.LinkSetNsFd(netlab.Link(t, "peer"), int(world)))
	netlab.In(t, world, func() { netlab.Run(t, "ip address add 192.0.2.1/24 dev peer; ip link set peer up") })
	ask := func(timeout time.Duration) (err error) {
		netlab.In(t, world, func() {
			var c net.Conn
			if c, err = net.DialTimeout("tcp", "192.0.2.11:9", timeout); err == nil {
				err = c.Close()
			}
		})
		return err
	}
	require.ErrorIs(t, ask(netlab.Patience), unix.ECONNREFUSED, "the kernel answers")

	require.NoError(t, kernel.Quiet(netlab.Link(t, "eth0")))
	require.NoError(t, kernel.Quiet(netlab.Link(t, "eth0")), "again")
	copies := packetSocket(t, netlab.Link(t, "eth0").Attrs().Index)
	require.ErrorContains(t, ask(time.Second), "timeout")
	n, err := unix.Read(copies, make([]byte, 2000))
	require.NoError(t, err, "a packet socket, as Open vSwitch has it, sees what comes")
	require.Positive(t, n)

	require.NoError(t, kernel.Unquiet(netlab.Link(t, "eth0")))
	require.NoError(t, kernel.Unquiet(netlab.Link(t, "eth0")), "again")
	require.NotContains(t, netlab.Run(t, "tc qdisc show dev eth0"), "clsact")
	require.ErrorIs(t, ask(netlab.Patience), unix.ECONNREFUSED)
}

func packetSocket(t *testing.T, index int) int {
	const everything = 0x0300 // ETH_P_ALL, most significant byte first
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, everything)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}))
	require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}))
	return fd
}
