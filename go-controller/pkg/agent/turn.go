package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/bridge"
	"github.com/woven-network/woven/go-controller/pkg/agent/hostnet"
	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/agent/uplink"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// turn compares everything with what it should be and changes the difference. Each step returns an error when the next
// cannot be done yet.
func (n *node) turn(ctx context.Context) error {
	n.turning.Lock()
	defer n.turning.Unlock()
	if n.resting.Load() {
		return waiting(uninstalled)
	}
	if _, err := n.rescue(); err != nil {
		return err
	}
	return n.during(ctx, n.compare)
}

// settleDoubts looks at the pods of which something has gone. It is part of a turn that was not worth a whole one.
func (n *node) settleDoubts(ctx context.Context) error {
	n.turning.Lock()
	defer n.turning.Unlock()
	if n.resting.Load() {
		return nil
	}
	return n.during(ctx, func(session context.Context) error { return n.pods.Settle(session, n.doubted.take()) })
}

// during calls f with the connection to the Open_vSwitch database.
func (n *node) during(ctx context.Context, f func(session context.Context) error) error {
	session, err := n.session(ctx)
	if err != nil {
		return err
	}
	// What f does ends with the connection: libovsdb would wait for the next one, which may never come while
	// the NIC's addresses are on a bridge that is dead.
	session, cancel := context.WithCancel(session)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if err := f(session); err != nil {
		if session.Err() != nil {
			return errNoDatabase
		}
		return err
	}
	return nil
}

// compare is a turn during one connection to the Open_vSwitch database.
func (n *node) compare(session context.Context) error {
	plan := hostnet.PlanHost(nil, nil, n.ips, n.config)
	up, err := n.uplink(session, plan.Aliases)
	if err != nil {
		return err
	}
	n.memory = up.Memory
	away, err := n.rescue()
	if err != nil {
		return err
	}
	host, err := n.hostPort(session)
	if err != nil {
		return err
	}
	mtu := podMTU(up.Memory.MTU, n.config.MTU)
	if err := n.setRows(session, up, host, mtu); err != nil {
		return err
	}
	if away {
		n.applied = nil // It will have no flows.
		return waiting("ovs-vswitchd; until it runs, " + up.Memory.NIC + " has the node's addresses")
	}
	nic, err := n.takeNIC(session, up)
	if err != nil {
		return err
	}
	patch, err := n.setFlows(session, up, nic)
	if err != nil {
		return err
	}
	switch {
	case host == nil && n.south.Load() == nil:
		return waiting("the Southbound database at " + n.config.OVN.Southbound)
	case host == nil:
		return waiting(fmt.Sprintf("the port binding %s in the Southbound database; woven-controller makes it when it sees the Node", n.hostName()))
	}
	if err := n.setHost(session, *host, up.Ex); err != nil {
		return err
	}
	if patch == 0 {
		return waiting("ovn-controller to connect " + nodelink.ExternalBridge + " to the gateway router")
	}
	n.ready.Store(&attach.Ready{Subnets: host.Subnets, MTU: mtu})
	if err := n.pods.Tidy(session); err != nil {
		return err
	}
	return n.pods.Announce()
}

var errNoDatabase = errors.New("the Open_vSwitch database does not answer; look at the pod woven-ovs of this node")

// sessionTimeout is for telling a database that is there from one that is not; the first is told at once.
const sessionTimeout = 50 * time.Millisecond

// session returns the connection to the Open_vSwitch database. It does not wait for one: the loop has to look
// after the NIC meanwhile.
func (n *node) session(ctx context.Context) (context.Context, error) {
	session, err := present(ctx, n.local)
	if err != nil {
		return nil, errNoDatabase
	}
	return session, nil
}

// present returns the context of a database's connection if there is one now.
func present(ctx context.Context, database interface {
	Session(context.Context) (context.Context, error)
}) (context.Context, error) {
	attempt, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	return database.Session(attempt)
}

// Southbound returns the Southbound database and the context of its connection, or nil: nothing may wait for it, for the
// way there may be what this loop has to repair.
func (n *node) Southbound(ctx context.Context) (*southbound.Database, context.Context) {
	south := n.south.Load()
	if south == nil {
		return nil, nil
	}
	session, err := present(ctx, south)
	if err != nil {
		return nil, nil
	}
	return south, session
}

// rescue looks after the NIC while ovs-vswitchd is away.
func (n *node) rescue() (away bool, err error) {
	if !n.userspace() {
		return false, nil
	}
	if n.memory.NIC == "" {
		if n.memory, err = uplink.Recall(n.ips, hostnet.PlanHost(nil, nil, n.ips, n.config).Aliases); err != nil {
			return false, err
		}
	}
	return uplink.Rescue(n.memory)
}

func podMTU(underlay, limit int) int {
	mtu := underlay - geneveOverhead
	if limit != 0 {
		mtu = min(mtu, limit)
	}
	return mtu
}

func (n *node) uplink(ctx context.Context, own []netip.Prefix) (uplink.Uplink, error) {
	ex, err := ovs.Bridge(ctx, n.local, nodelink.ExternalBridge)
	if err != nil {
		return uplink.Uplink{}, err
	}
	var remembered uplink.Memory
	if ex != nil {
		if remembered, err = uplink.ParseMemory(ex.ExternalIDs[uplink.Key]); err != nil {
			return uplink.Uplink{}, err
		}
	}
	return uplink.Find(remembered, n.ips, own)
}

// southbound.HostPort returns what the Southbound database says of ovn0, or last said: a database that restarts is empty for a
// moment. Nil as long as it has said nothing.
func (n *node) hostPort(ctx context.Context) (*southbound.HostPort, error) {
	south, session := n.Southbound(ctx)
	if south == nil {
		return n.host, nil
	}
	b, err := south.Binding(session, n.hostName())
	if session.Err() != nil {
		return n.host, nil
	}
	if err != nil || b == nil {
		return n.host, err
	}
	h, err := southbound.HostPortOf(b)
	if err != nil {
		return nil, err
	}
	n.host = &h
	return n.host, nil
}

// takeNIC moves addresses and routes once both interfaces are there, and returns the NIC's OpenFlow port.
func (n *node) takeNIC(ctx context.Context, up uplink.Uplink) (int, error) {
	i, err := ovs.Interface(ctx, n.local, up.Memory.NIC)
	if err != nil {
		return 0, err
	}
	port, err := ovs.Ofport(i)
	if err != nil {
		return 0, err
	}
	if up.Ex == nil || port == 0 {
		return 0, waiting("ovs-vswitchd to make " + nodelink.ExternalBridge + " with " + up.Memory.NIC)
	}
	if up.Ex.Attrs().HardwareAddr.String() != up.Memory.MAC {
		return 0, waiting("ovs-vswitchd to give " + nodelink.ExternalBridge + " the NIC's MAC")
	}
	if n.userspace() {
		if err := quietly(up.NIC, up.Ex); err != nil {
			return 0, err
		}
	}
	if err := kernel.Apply(uplink.NodeSettings(up.RouterAdvertisements())); err != nil {
		return 0, err
	}
	return port, up.Move()
}

// quietly prepares the NIC and br-ex for the userspace datapath.
func quietly(nic, ex netlink.Link) error {
	for _, l := range []netlink.Link{nic, ex} {
		if err := kernel.NoOffload(l.Attrs().Name); err != nil {
			return err
		}
	}
	return kernel.Quiet(nic)
}

func (n *node) userspace() bool { return n.config.Datapath == "netdev" }

// setFlows changes br-ex's flows when they should be others, or when there is reason to doubt that they are there.
func (n *node) setFlows(ctx context.Context, up uplink.Uplink, nic int) (patch int, err error) {
	if patch, err = ovs.PatchPort(ctx, n.local); err != nil {
		return 0, err
	}
	want, err := bridge.Facts{
		NIC: nic, OVN: patch, MAC: up.NIC.Attrs().HardwareAddr, NodeIPs: n.ips, Alias: n.config.Alias, NodePort: n.config.NodePort,
		Cluster: slices.Concat(n.config.Cluster, n.config.Service), Open: n.config.Forwarding == config.ForwardingOpen,
	}.Flows()
	if err != nil {
		return 0, err
	}
	if !n.restarted.Swap(false) && slices.Equal(n.applied, bridge.Cookies(want)) {
		return patch, nil
	}
	n.applied = nil
	if _, err := os.Stat(n.switchSocket); err != nil {
		return 0, waiting("ovs-vswitchd to take OpenFlow connections at " + n.switchSocket)
	}
	change, err := n.flows.Sync(want)
	if err != nil {
		return 0, err
	}
	n.applied = bridge.Cookies(want)
	if change != (bridge.Change{}) {
		n.log.Info("flows changed", "bridge", nodelink.ExternalBridge, "added", change.Added, "removed", change.Removed, "nic", nic, "patch", patch)
	}
	return patch, nil
}

// setHost sets up ovn0 once ovs-vswitchd has made it and OVN has connected it.
func (n *node) setHost(ctx context.Context, h southbound.HostPort, ex netlink.Link) error {
	link, err := kernel.Link(nodelink.HostInterface)
	if err != nil {
		return err
	}
	if link == nil || link.Attrs().HardwareAddr.String() != h.MAC.String() {
		return waiting("ovs-vswitchd to make " + nodelink.HostInterface)
	}
	if n.userspace() {
		if err := kernel.NoOffload(nodelink.HostInterface); err != nil {
			return err
		}
	}
	if err := hostnet.PlanHost(h.Addresses, h.Subnets, n.ips, n.config).Apply(link, ex); err != nil {
		return err
	}
	i, err := ovs.Interface(ctx, n.local, nodelink.HostInterface)
	if err != nil {
		return err
	}
	if !ovs.Installed(i) {
		return waiting("ovn-controller to install the flows of " + nodelink.HostInterface)
	}
	return nil
}
