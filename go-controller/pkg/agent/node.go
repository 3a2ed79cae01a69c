package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/bridge"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/agent/uplink"
	"github.com/woven-network/woven/go-controller/pkg/config"
)

// pods is what the loop has done about pods.
type pods interface {
	// Tidy compares all pods' rows with their interfaces, Settle those of some by the names of the ends in the host.
	Tidy(session context.Context) error
	Settle(session context.Context, hostEnds []string) error
	// Announce tells the container runtime that the node is ready for pods.
	Announce() error
}

// node is the node's loop.
type node struct {
	name   string
	ips    []netip.Addr
	config *config.Parsed
	log    logr.Logger
	local  *ovs.Database
	flows  *bridge.Switch
	// switchSocket is where ovs-vswitchd takes OpenFlow connections for br-ex.
	switchSocket string
	pods         pods
	// conflist is where the network configuration for the container runtime is.
	conflist string

	// south is nil until the Southbound database has been reached.
	south atomic.Pointer[southbound.Database]
	// resting is set when the node was uninstalled under a running agent.
	resting atomic.Bool
	// turning is held during a turn.
	turning sync.Mutex
	// restarted is set when ovs-vswitchd was started, which has no flows then, and when they are to be looked at anyway.
	restarted atomic.Bool
	// applied are the flows' cookies at the last turn that looked at them; the loop's own.
	applied []uint64
	// memory is what br-ex should have, as of the last turn that knew; the loop's own.
	memory uplink.Memory
	// host is what the Southbound database last said of ovn0; the loop's own.
	host *southbound.HostPort
	// began is when the turn under way, or what is done between two, began, in nanoseconds; 0 if there is nothing.
	began atomic.Int64
	// turns counts them.
	turns atomic.Uint64
	// wakeup holds a token when there is reason to look again.
	wakeup chan struct{}
	// doubted are the host's ends of pods of which a row or an interface has gone.
	doubted doubts
	// ready is nil until the node is; later it is the last good state.
	ready atomic.Pointer[attach.Ready]
	// reason is why the node is not ready, or why the last turn failed; empty when all is well.
	reason atomic.Pointer[string]
}

// waiting is what the loop cannot do anything about but wait for an event; it is no failure.
type waiting string

// Error implements error.
func (w waiting) Error() string { return "waiting for " + string(w) }

// wake makes the loop take another turn. It never blocks.
func (n *node) wake() {
	select {
	case n.wakeup <- struct{}{}:
	default:
	}
}

// Intervals of the loop.
const (
	// retry is after a turn that failed for another reason than waiting.
	retryInterval = time.Second
	// audit is after a turn that went well: it repairs what nobody tells of, such as a flow removed by hand.
	auditInterval = time.Minute
)

// run takes a turn at every event until ctx ends. A pod that comes or goes is none: on a busy node that would be most of
// the agent's work, and a turn asks the kernel much that is answered under the one lock of all network devices.
func (n *node) run(ctx context.Context) {
	for {
		n.turns.Add(1)
		err := n.watched(func() error { return n.turn(ctx) })
		if ctx.Err() != nil {
			return
		}
		n.report(err)
		again := auditInterval
		if err != nil && !errors.As(err, new(waiting)) {
			again = retryInterval
		}
		timer := time.NewTimer(again)
		n.pause(ctx, timer.C)
		timer.Stop()
	}
}

// pause returns when it is time for another turn. Until then it looks at single pods.
func (n *node) pause(ctx context.Context, overdue <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wakeup:
			return
		case <-overdue:
			n.restarted.Store(true)
			return
		case <-n.doubted.some:
			if err := n.watched(func() error { return n.settleDoubts(ctx) }); err != nil {
				return // A turn says what is wrong.
			}
		}
	}
}

// watched tells of f's duration (see stuck).
func (n *node) watched(f func() error) error {
	n.began.Store(time.Now().UnixNano())
	defer n.began.Store(0)
	return f()
}

// longestTurn is how long a turn may take before something must be wrong with it, in which case a new process is
// better than this one.
const longestTurn = time.Minute

// stuck says why the process should be replaced; empty when there is no reason.
func (n *node) stuck() string {
	if began := n.began.Load(); began != 0 {
		if took := time.Since(time.Unix(0, began)); took > longestTurn {
			return fmt.Sprintf("the loop has been at one turn for %s", took.Round(time.Second))
		}
	}
	return ""
}

// report logs a turn's outcome when it is another than the last one's.
func (n *node) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if old := n.reason.Swap(&text); old != nil && *old == text {
		return
	}
	switch {
	case err == nil:
		n.log.Info("the node's network is ready", "mtu", n.ready.Load().MTU, "podNetworks", n.ready.Load().Subnets)
	case errors.As(err, new(waiting)):
		n.log.Info(text)
	default:
		n.log.Error(err, "the node's network is not as it should be")
	}
}

// Why says why the node is not ready for pods; empty if it is.
func (n *node) Why() string {
	r := n.reason.Load()
	if r == nil {
		return "the node agent has just started"
	}
	return *r
}

// uninstalled is what an agent waits for after its node was uninstalled.
const uninstalled = "the pod woven-node of this node to be deleted: Woven was uninstalled here, and a new pod sets it up again"

// rest ends the loop's work for good, and returns when no turn is under way.
func (n *node) rest() {
	n.resting.Store(true)
	n.turning.Lock()
	defer n.turning.Unlock()
	n.ready.Store(nil)
	n.wake()
}

// Ready is for CNI commands (attach.Node).
func (n *node) Ready() *attach.Ready { return n.ready.Load() }

// Uninstalled is for CNI commands (attach.Node).
func (n *node) Uninstalled() string {
	if n.resting.Load() {
		return uninstalled
	}
	return ""
}

// South is for CNI commands (attach.Node).
func (n *node) South() *southbound.Database { return n.south.Load() }
