//go:build root

package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
)

func TestTheKernelWakesTheLoop(t *testing.T) {
	netlab.Enter(t)
	netlab.Device(t, "eth0", netlab.NICMAC)
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan struct{}, 100)
	doubted := make(chan string, 100)
	ended := make(chan error)
	// The sockets have to be made in this thread's namespace; afterwards it does not matter.
	subscribed := make(chan struct{})
	start := func() {
		once := false
		ended <- kernel.Watch(ctx, attach.IsHostEnd, func() {
			if !once {
				once = true
				close(subscribed)
			}
			select {
			case woken <- struct{}{}:
			default:
			}
		}, func(hostEnd string) { doubted <- hostEnd })
	}
	netlab.GoIn(t, start)
	<-subscribed
	for _, change := range []string{
		"ip address add 192.0.2.11/24 dev eth0", "ip route add 10.0.0.0/8 via 192.0.2.1", "ip rule add pref 7 lookup 7", "ip -6 rule add pref 7 lookup 7",
		"ip link set eth0 mtu 1400", "ip link add br-ex type bridge",
	} {
		quietFor(woken, 50*time.Millisecond)
		netlab.Run(t, change)
		select {
		case <-woken:
		case <-time.After(netlab.Patience):
			t.Fatalf("%s woke nobody", change)
		}
	}
	// A pod comes and goes, and with its interface a route of the kernel's.
	quietFor(woken, 50*time.Millisecond)
	pod := podlink.Link{Host: "w0123456789abcd", IfName: "eth0"}
	netns := netlab.Other(t)
	_, err := podlink.Connect(pod, netlab.File(t, netns), 1500, true)
	require.NoError(t, err)
	netlab.In(t, netns, func() { netlab.Run(t, "ip link set eth0 up") })
	for !strings.Contains(netlab.Run(t, "ip -6 route show table local"), "multicast ff00::/8 dev "+pod.Host) {
		require.NoError(t, t.Context().Err())
	}
	require.NoError(t, podlink.Disconnect(pod.Host))
	require.Equal(t, pod.Host, <-doubted)
	// What comes after it, on each socket, and wakes once.
	netlab.Run(t, "ip link set eth0 alias nic; ip route add 10.9.0.0/16 dev eth0 proto kernel; ip route add 10.8.0.0/16 via 192.0.2.1")
	for range 2 {
		<-woken
	}
	select {
	case <-woken:
		t.Fatal("the pod, or a route of the kernel's, woke the loop")
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	require.NoError(t, <-ended)
	require.Empty(t, doubted)
}

// quietFor waits until nothing has come for a while.
func quietFor(c <-chan struct{}, d time.Duration) {
	for {
		select {
		case <-c:
		case <-time.After(d):
			return
		}
	}
}
