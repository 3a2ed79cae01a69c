package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/hostnet"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/uplink"
	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// uninstallTimeout bounds the wait for the Open_vSwitch database, without which nothing is known.
const uninstallTimeout = 30 * time.Second

// Uninstall takes back all that Run made on this node. A running agent is asked to do it, and does nothing else any
// more until its pod is made anew; without one it is done here. What is done already is no error.
func Uninstall(ctx context.Context, o Options) error {
	response, err := cni.Send(o.Socket, cni.Request{Command: cni.Uninstall, Config: []byte("{}")})
	switch {
	case err == nil && response.Error != nil:
		return response.Error
	case err == nil:
		return removeShim(o)
	case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("the running agent: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, uninstallTimeout)
	defer cancel()
	local, err := ovs.Dial(ctx, "unix:"+filepath.Join(o.OVSRunDir, "db.sock"), o.Log)
	if err != nil {
		return err
	}
	defer local.Close()
	if err := takeBack(ctx, local, o.Node, o.IPs, o.Config, o.ConfDir); err != nil {
		return err
	}
	if err := removeFile(o.Socket); err != nil {
		return err
	}
	return removeShim(o)
}

func removeShim(o Options) error {
	return removeFile(filepath.Join(o.BinDir, cni.PluginType))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// Uninstall is for a running agent, whose loop rests from here on (attach.Node).
func (n *node) Uninstall(ctx context.Context) error {
	n.rest()
	return takeBack(ctx, n.local, n.name, n.ips, n.config, n.conflist)
}

// takeBack removes everything in the order that keeps the node reachable: pods and the host's ways to them first,
// then the NIC gets back what br-ex has, and the bridges go last.
func takeBack(ctx context.Context, local *ovs.Database, name string, ips []netip.Addr, c *config.Parsed, confDir string) error {
	if err := removeFile(filepath.Join(confDir, attach.ConflistName)); err != nil {
		return err
	}
	session, err := local.Session(ctx)
	if err != nil {
		return err
	}
	if err := attach.RemoveAll(session, local); err != nil {
		return err
	}
	if err := hostnet.Remove(); err != nil {
		return err
	}
	return giveBack(session, local, &node{name: name, ips: ips, config: c})
}

// giveBack moves addresses and routes from br-ex to the NIC and removes the bridges. br-ex keeps its port until
// the NIC can answer, so the node is reachable at every moment.
func giveBack(session context.Context, local *ovs.Database, n *node) error {
	ex, err := ovs.Bridge(session, local, nodelink.ExternalBridge)
	if err != nil {
		return err
	}
	if ex != nil {
		remembered, err := uplink.ParseMemory(ex.ExternalIDs[uplink.Key])
		if err != nil {
			return err
		}
		if err := uplink.Restore(remembered, n.ips, hostnet.PlanHost(nil, nil, n.ips, n.config).Aliases); err != nil {
			return err
		}
	}
	return giveBackRows(session, local, n)
}

// giveBackRows removes the node's rows from the Open_vSwitch database.
func giveBackRows(session context.Context, local *ovs.Database, n *node) error {
	root, err := ovs.Root(session, local)
	if err != nil || root == nil {
		return err
	}
	t := ovs.NewTransaction(local)
	own := &vswitch.OpenvSwitch{UUID: root.UUID}
	for _, name := range []string{nodelink.IntegrationBridge, nodelink.ExternalBridge} {
		b, err := ovs.Bridge(session, local, name)
		if err != nil {
			return err
		}
		if b != nil {
			t.DeleteBridge(own, b)
		}
	}
	// Without these an ovn-controller that runs on has no Southbound database. It makes br-int anew all the same
	// (OVN 25.03), but an empty one.
	ours := n.externalIDs(nodelink.Gateway{}, "")
	others := nodelink.Gateway{}.Merge(root.ExternalIDs[nodelink.OptionsKey])
	t.Forget(own, &own.ExternalIDs, root.ExternalIDs, func(key string) bool { return ours[key] == "" && (key != nodelink.OptionsKey || others != "") })
	if others != "" {
		t.Merge(own, &own.ExternalIDs, root.ExternalIDs, map[string]string{nodelink.OptionsKey: others})
	}
	return t.Commit(session)
}
