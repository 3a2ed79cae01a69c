package agent

import (
	"context"

	"github.com/woven-network/woven/go-controller/pkg/agent/bridge"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/agent/uplink"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// setRows makes the node's own rows in the Open_vSwitch database, in one transaction.
func (n *node) setRows(session context.Context, up uplink.Uplink, host *southbound.HostPort, mtu int) error {
	t, err := n.rows(session, up, host, mtu)
	if err != nil {
		return err
	}
	return t.Commit(session)
}

// rows collects what differs from the rows as they should be.
func (n *node) rows(session context.Context, up uplink.Uplink, host *southbound.HostPort, mtu int) (*ovs.Transaction, error) {
	t := ovs.NewTransaction(n.local)
	root, err := ovs.Root(session, n.local)
	if err != nil {
		return nil, err
	}
	if root == nil {
		// The rest follows when the row is there, which is an event.
		t.Initialize(n.externalIDs(up.Gateway(n.ips), ""))
		return t, nil
	}
	own := &vswitch.OpenvSwitch{UUID: root.UUID}
	t.Merge(own, &own.ExternalIDs, root.ExternalIDs, n.externalIDs(up.Gateway(n.ips), root.ExternalIDs[nodelink.OptionsKey]))
	return t, n.bridges(session, t, own, up, host, mtu)
}

// hostName is the logical port of ovn0.
func (n *node) hostName() string { return nodelink.HostPort(n.name) }

// externalIDs is what ovn-controller reads (ovn-controller(8)).
func (n *node) externalIDs(gateway nodelink.Gateway, options string) map[string]string {
	return map[string]string{
		"system-id":                n.name,
		"hostname":                 n.name,
		"ovn-remote":               n.config.OVN.Southbound,
		"ovn-encap-type":           "geneve",
		"ovn-encap-ip":             n.ips[0].String(),
		"ovn-bridge":               nodelink.IntegrationBridge,
		"ovn-bridge-mappings":      nodelink.PhysicalNetwork + ":" + nodelink.ExternalBridge,
		"ovn-bridge-datapath-type": n.config.Datapath,
		// One router joins all switches of the cluster, so every node needs nearly every row; without conditions
		// the Southbound server does not have to evaluate them for each node and row.
		"ovn-monitor-all": "true",
		// A restarted ovn-controller keeps the flows it finds until it has computed its own.
		"ovn-ofctrl-wait-before-clear": "2000",
		"ct-zone-range":                bridge.OVNZones,
		nodelink.OptionsKey:            gateway.Merge(options),
	}
}

// bridges makes br-int with ovn0, and br-ex with, when it has appeared, the NIC.
func (n *node) bridges(session context.Context, t *ovs.Transaction, root *vswitch.OpenvSwitch, up uplink.Uplink, host *southbound.HostPort, mtu int) error {
	secure, standalone := vswitch.BridgeFailModeSecure, vswitch.BridgeFailModeStandalone
	br, err := ovs.Bridge(session, n.local, nodelink.IntegrationBridge)
	if err != nil {
		return err
	}
	t.Bridge(root, br, vswitch.Bridge{
		Name: nodelink.IntegrationBridge, DatapathType: n.config.Datapath, FailMode: &secure,
		OtherConfig: map[string]string{"disable-in-band": "true"},
	})
	ovn0 := vswitch.Interface{Name: nodelink.HostInterface, Type: "internal", MTURequest: &mtu, ExternalIDs: map[string]string{ovs.IfaceID: n.hostName()}}
	if host != nil {
		mac := host.MAC.String()
		ovn0.MAC = &mac
	}
	if err := n.setPort(session, t, br, nodelink.IntegrationBridge, vswitch.Port{Name: nodelink.HostInterface}, ovn0); err != nil {
		return err
	}
	ex, err := ovs.Bridge(session, n.local, nodelink.ExternalBridge)
	if err != nil {
		return err
	}
	t.Bridge(root, ex, vswitch.Bridge{
		// Standalone: between a start of ovs-vswitchd and the agent's flows, br-ex is a plain switch, so that the node
		// stays reachable even if the agent never comes.
		Name: nodelink.ExternalBridge, DatapathType: n.config.Datapath, FailMode: &standalone,
		OtherConfig: map[string]string{"hwaddr": up.Memory.MAC, "disable-in-band": "true"},
		ExternalIDs: map[string]string{uplink.Key: up.Memory.String()},
	})
	if ex == nil || up.Ex == nil {
		// The NIC follows when br-ex is there to take its addresses, so that the time between is short.
		return nil
	}
	underlay := up.Memory.MTU
	if err := n.setPort(session, t, ex, nodelink.ExternalBridge, vswitch.Port{Name: nodelink.ExternalBridge}, vswitch.Interface{Name: nodelink.ExternalBridge, Type: "internal", MTURequest: &underlay}); err != nil {
		return err
	}
	// After a boot, what is transient is removed before ovs-vswitchd starts (see docs/pipeline-node.md): the kernel's
	// datapath would otherwise take the NIC away from the host before an agent is there.
	return n.setPort(session, t, ex, nodelink.ExternalBridge,
		vswitch.Port{Name: up.Memory.NIC, OtherConfig: map[string]string{"transient": "true"}}, vswitch.Interface{Name: up.Memory.NIC})
}

func (n *node) setPort(session context.Context, t *ovs.Transaction, on *vswitch.Bridge, bridge string, port vswitch.Port, i vswitch.Interface) error {
	haveP, err := ovs.Port(session, n.local, port.Name)
	if err != nil {
		return err
	}
	haveI, err := ovs.Interface(session, n.local, i.Name)
	if err != nil {
		return err
	}
	t.Port(on, bridge, haveP, haveI, port, i)
	return nil
}
