package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/digitalocean/go-openvswitch/ovs"
	"github.com/go-logr/logr"
	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// ready is what CNI commands need of a node whose loop has come to its end.
type ready struct {
	// Subnets are the node's pod networks.
	Subnets []netip.Prefix
	// MTU is the pods', in bytes.
	MTU int
}

// node is the node's loop.
type node struct {
	name   string
	ips    []netip.Addr
	config *config.Parsed
	log    logr.Logger
	local  *ovsdb.Client
	flows  *ovs.OpenFlowService
	// switchSocket is where ovs-vswitchd takes OpenFlow connections for br-ex.
	switchSocket string
	// stale removes attachments whose network namespace is gone.
	stale func(ctx context.Context) error
	// conflist is where the network configuration for the container runtime is written.
	conflist string

	// south is nil until the Southbound database has been reached.
	south atomic.Pointer[ovsdb.Client]
	// resting is set when the node was uninstalled under a running agent.
	resting atomic.Bool
	// turning is held during a turn.
	turning sync.Mutex
	// restarted is set when ovs-vswitchd was started, which has no flows then, and when they are to be looked at anyway.
	restarted atomic.Bool
	// applied are the flows' cookie at the last turn that looked at them; the loop's own.
	applied uint64
	// host is what the Southbound database last said of ovn0; the loop's own.
	host *hostPort
	// wakeup holds a token when there is reason to look again.
	wakeup chan struct{}
	// ready is nil until the node is; later it is the last good state.
	ready atomic.Pointer[ready]
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

// run takes a turn at every event until ctx ends.
func (n *node) run(ctx context.Context) {
	for {
		err := n.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		n.report(err)
		again := auditInterval
		if err != nil && !errors.As(err, new(waiting)) {
			again = retryInterval
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-n.wakeup:
		case <-timer.C:
			n.restarted.Store(true)
		}
		timer.Stop()
	}
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

// notReady says why the node is not ready for pods; empty if it is.
func (n *node) notReady() string {
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

// turn compares everything with what it should be and changes the difference. Each step returns an error when the next
// cannot be done yet.
func (n *node) turn(ctx context.Context) error {
	n.turning.Lock()
	defer n.turning.Unlock()
	if n.resting.Load() {
		return waiting(uninstalled)
	}
	session, err := n.local.Session(ctx)
	if err != nil {
		return err
	}
	plan := planHost(hostPort{}, n.ips, n.config)
	up, err := n.uplink(ctx, plan.Aliases)
	if err != nil {
		return err
	}
	host, err := n.hostPort(ctx)
	if err != nil {
		return err
	}
	mtu := podMTU(up.memory.MTU, n.config.MTU)
	if err := n.setRows(session, up, host, mtu); err != nil {
		return err
	}
	nic, err := n.takeNIC(ctx, up)
	if err != nil {
		return err
	}
	patch, err := n.setFlows(ctx, up, nic)
	if err != nil {
		return err
	}
	if err := n.stale(session); err != nil {
		return err
	}
	switch {
	case host == nil && n.south.Load() == nil:
		return waiting("the Southbound database at " + n.config.OVN.Southbound)
	case host == nil:
		return waiting(fmt.Sprintf("the port binding %s in the Southbound database; woven-controller makes it when it sees the Node", n.hostName()))
	}
	if err := n.setHost(ctx, *host, up.ex); err != nil {
		return err
	}
	if patch == 0 {
		return waiting("ovn-controller to connect " + bridgeEx + " to the gateway router")
	}
	n.ready.Store(&ready{Subnets: host.Subnets, MTU: mtu})
	return writeConflist(n.conflist)
}

// hostName is the logical port of the node itself.
func (n *node) hostName() string { return n.name + "-host" }

func podMTU(underlay, limit int) int {
	mtu := underlay - geneveOverhead
	if limit != 0 {
		mtu = min(mtu, limit)
	}
	return mtu
}

func (n *node) uplink(ctx context.Context, own []netip.Prefix) (uplink, error) {
	ex, err := bridgeRow(ctx, n.local, bridgeEx)
	if err != nil {
		return uplink{}, err
	}
	var remembered memory
	if ex != nil {
		if remembered, err = parseMemory(ex.ExternalIDs[keyUplink]); err != nil {
			return uplink{}, err
		}
	}
	return findUplink(remembered, n.ips, own)
}

// hostPort returns what the Southbound database says of ovn0, or last said: a database that restarts is empty for a
// moment. Nil as long as it has said nothing.
func (n *node) hostPort(ctx context.Context) (*hostPort, error) {
	south := n.south.Load()
	if south == nil {
		return n.host, nil
	}
	b, err := binding(ctx, south, n.hostName())
	if err != nil || b == nil {
		return n.host, err
	}
	h, err := hostPortOf(b)
	if err != nil {
		return nil, err
	}
	n.host = &h
	return n.host, nil
}

// takeNIC moves addresses and routes once both interfaces are there, and returns the NIC's OpenFlow port.
func (n *node) takeNIC(ctx context.Context, up uplink) (int, error) {
	i, err := interfaceRow(ctx, n.local, up.memory.NIC)
	if err != nil {
		return 0, err
	}
	port, err := ofport(i)
	if err != nil {
		return 0, err
	}
	if up.ex == nil || port == 0 {
		return 0, waiting("ovs-vswitchd to make " + bridgeEx + " with " + up.memory.NIC)
	}
	if up.ex.Attrs().HardwareAddr.String() != up.memory.MAC {
		return 0, waiting("ovs-vswitchd to give " + bridgeEx + " the NIC's MAC")
	}
	if n.userspace() {
		if err := quietly(up.nic, up.ex); err != nil {
			return 0, err
		}
	}
	if err := apply(nodeSettings(up.routerAdvertisements())); err != nil {
		return 0, err
	}
	return port, up.move()
}

// quietly prepares the NIC and br-ex for the userspace datapath.
func quietly(nic, ex netlink.Link) error {
	for _, l := range []netlink.Link{nic, ex} {
		if err := noOffload(l.Attrs().Name); err != nil {
			return err
		}
	}
	return quiet(nic)
}

func (n *node) userspace() bool { return n.config.Datapath == "netdev" }

// setFlows replaces br-ex's flows when they should be others, or when there is reason to doubt that they are there.
func (n *node) setFlows(ctx context.Context, up uplink, nic int) (patch int, err error) {
	if patch, err = patchPort(ctx, n.local); err != nil {
		return 0, err
	}
	want, err := bridge{
		NIC: nic, OVN: patch, MAC: up.nic.Attrs().HardwareAddr, NodeIPs: n.ips, Alias: n.config.Alias, NodePort: n.config.NodePort,
	}.flows()
	if err != nil {
		return 0, err
	}
	if !n.restarted.Swap(false) && n.applied == want[0].Cookie {
		return patch, nil
	}
	n.applied = 0
	if _, err := os.Stat(n.switchSocket); err != nil {
		return 0, waiting("ovs-vswitchd to take OpenFlow connections at " + n.switchSocket)
	}
	changed, err := replaceFlows(n.flows, want)
	if err != nil {
		return 0, err
	}
	n.applied = want[0].Cookie
	if changed {
		n.log.Info("flows replaced", "bridge", bridgeEx, "nic", nic, "patch", patch)
	}
	return patch, nil
}

// setHost sets up ovn0 once ovs-vswitchd has made it and OVN has connected it.
func (n *node) setHost(ctx context.Context, h hostPort, ex netlink.Link) error {
	link, err := linkByName(hostInterface)
	if err != nil {
		return err
	}
	if link == nil || link.Attrs().HardwareAddr.String() != h.MAC.String() {
		return waiting("ovs-vswitchd to make " + hostInterface)
	}
	if n.userspace() {
		if err := noOffload(hostInterface); err != nil {
			return err
		}
	}
	if err := planHost(h, n.ips, n.config).apply(link, ex); err != nil {
		return err
	}
	i, err := interfaceRow(ctx, n.local, hostInterface)
	if err != nil {
		return err
	}
	if !installed(i) {
		return waiting("ovn-controller to install the flows of " + hostInterface)
	}
	return nil
}

// installed tells whether ovn-controller has installed an interface's flows (ovn-controller(8), ovn-installed).
func installed(i *vswitch.Interface) bool { return i != nil && i.ExternalIDs[keyInstalled] == "true" }
