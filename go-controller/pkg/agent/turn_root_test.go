//go:build root

package agent

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// The loop goes on while databases are away, whenever in a turn they go: it may be what brings back the network through
// which they are reached.
func TestTheLoopWaitsForNoDatabase(t *testing.T) {
	netlab.Node(t)
	server, southServer := ovsdbtest.Start(t, schema.Vswitch), ovsdbtest.Start(t, schema.Southbound)
	local, err := ovs.Dial(t.Context(), server.Remote, logr.Discard())
	require.NoError(t, err)
	t.Cleanup(local.Close)
	south, err := southbound.Dial(t.Context(), config.OVN{Southbound: southServer.Remote}, "a", logr.Discard())
	require.NoError(t, err)
	t.Cleanup(south.Close)
	kernel := parsed(t)
	kernel.Datapath = "system" // so that a turn goes as far as it can without ovs-vswitchd
	n := &node{
		name: "a", ips: []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}, config: kernel, log: logr.Discard(), local: local,
		wakeup: make(chan struct{}, 1),
	}
	n.south.Store(south)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	netlab.GoIn(t, func() {
		defer close(ended)
		n.run(ctx)
	})
	t.Cleanup(func() { stop(); <-ended })
	// A loop that turns all the time is in the midst of a turn when something happens.
	netlab.GoIn(t, func() {
		for ctx.Err() == nil {
			n.wake()
			time.Sleep(100 * time.Microsecond)
		}
	})
	says := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { return n.Why() == what }, 20*time.Second, time.Millisecond, "%s; it says: %s", what, n.Why())
	}
	const lives = "waiting for ovs-vswitchd to make br-ex with eth0"
	for range 10 {
		says(lives)
		southServer.Stop()
		server.Stop()
		says(errNoDatabase.Error())
		server.Continue()
		says(lives) // although the Southbound database is away
		southServer.Continue()
	}
	require.Empty(t, n.stuck())
	n.began.Store(time.Now().Add(-2 * longestTurn).UnixNano())
	require.NotEmpty(t, n.stuck())
}
