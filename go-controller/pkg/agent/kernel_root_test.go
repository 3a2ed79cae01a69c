//go:build root

package agent

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheKernelWakesTheLoop(t *testing.T) {
	enter(t)
	device(t, "eth0", nicMAC)
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan struct{}, 100)
	ended := make(chan error)
	// The sockets have to be made in this thread's namespace; afterwards it does not matter.
	subscribed := make(chan struct{})
	start := func() {
		once := false
		ended <- watchKernel(ctx, func() {
			if !once {
				once = true
				close(subscribed)
			}
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}
	goIn(t, start)
	<-subscribed
	for _, change := range []string{
		"ip address add 192.0.2.11/24 dev eth0", "ip route add 10.0.0.0/8 via 192.0.2.1", "ip rule add pref 7 lookup 7", "ip -6 rule add pref 7 lookup 7",
		"ip link set eth0 mtu 1400", "ip link add br-ex type bridge",
	} {
		quietFor(woken, 50*time.Millisecond)
		run(t, change)
		select {
		case <-woken:
		case <-time.After(patience):
			t.Fatalf("%s woke nobody", change)
		}
	}
	cancel()
	require.NoError(t, <-ended)
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
