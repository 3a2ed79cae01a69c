package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/gateway"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// uninstallTimeout bounds the wait for the Open_vSwitch database, without which nothing is known.
const uninstallTimeout = 30 * time.Second

// Uninstall takes back all that Run made on this node. The agent must not run; what is done already is no error, so it
// may be called again. ovn-controller should be stopped before: it makes br-int anew when it finds none.
func Uninstall(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, uninstallTimeout)
	defer cancel()
	if err := removeConflist(o.ConfDir); err != nil {
		return fmt.Errorf("network configuration: %w", err)
	}
	if err := os.Remove(filepath.Join(o.BinDir, cni.PluginType)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("CNI shim: %w", err)
	}
	local, err := dialLocal(ctx, "unix:"+filepath.Join(o.OVSRunDir, "db.sock"), o.Log)
	if err != nil {
		return err
	}
	defer local.Close()
	session, err := local.Session(ctx)
	if err != nil {
		return err
	}
	if err := removePods(session, local); err != nil {
		return err
	}
	if err := removeHost(); err != nil {
		return err
	}
	if err := giveBack(session, local, o); err != nil {
		return err
	}
	if err := os.Remove(o.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("CNI socket: %w", err)
	}
	o.Log.Info("uninstalled")
	return nil
}

// removePods takes the interfaces from pods that still run; they have no network from here on.
func removePods(session context.Context, local *ovsdb.Client) error {
	a := attachments{local}
	rows, err := a.list(session)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.remove(session, r.Name); err != nil {
			return err
		}
		if err := disconnect(r.Name); err != nil {
			return err
		}
	}
	return nil
}

// removeHost takes back routes and rules. ovn0 and its settings go with its bridge.
func removeHost() error {
	if err := setRules(nil); err != nil {
		return err
	}
	for _, f := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := dumpRoutes(f)
		if err != nil {
			return err
		}
		for _, r := range routes {
			if r.Protocol != routeProtocol {
				continue
			}
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route %s: %w", r.Dst, err)
			}
		}
	}
	return nil
}

// giveBack moves addresses and routes from br-ex to the NIC and removes the bridges. br-ex keeps them until its
// row is gone, so the node is reachable at every moment.
func giveBack(session context.Context, local *ovsdb.Client, o Options) error {
	root, err := switchRow(session, local)
	if err != nil || root == nil {
		return err
	}
	ex, err := bridgeRow(session, local, bridgeEx)
	if err != nil {
		return err
	}
	if ex != nil {
		remembered, err := parseMemory(ex.ExternalIDs[keyUplink])
		if err != nil {
			return err
		}
		if err := restoreNIC(remembered, o); err != nil {
			return err
		}
	}
	t := newTransaction(local)
	own := &vswitch.OpenvSwitch{UUID: root.UUID}
	for _, name := range []string{bridgeInt, bridgeEx} {
		b, err := bridgeRow(session, local, name)
		if err != nil {
			return err
		}
		if b != nil {
			t.deleteBridge(own, b)
		}
	}
	ours := (&node{name: o.Node, ips: o.IPs, config: o.Config}).externalIDs(uplink{nic: &netlink.Dummy{}}, "")
	t.forget(own, &own.ExternalIDs, root.ExternalIDs, func(key string) bool {
		_, is := ours[key]
		return !is || key == gateway.OptionsKey
	})
	return t.commit(session)
}

// restoreNIC gives the NIC what br-ex has from it.
func restoreNIC(remembered memory, o Options) error {
	own := planHost(hostPort{}, o.IPs, o.Config).Aliases
	if remembered.NIC == "" {
		return nil
	}
	u, err := findUplink(remembered, o.IPs, own)
	if err != nil {
		return err
	}
	if err := unquiet(u.nic); err != nil {
		return err
	}
	if err := restoreOffload(u.memory.NIC); err != nil {
		return err
	}
	if err := apply([]setting{{"ipv6/conf/" + u.memory.NIC + "/disable_ipv6", 0}}); err != nil {
		return err
	}
	if u.ex != nil {
		var aliases netState
		for _, p := range own {
			aliases.Addresses = append(aliases.Addresses, address{Prefix: p})
		}
		if err := dropState(u.ex, aliases); err != nil {
			return err
		}
	}
	if err := addState(u.nic, u.memory.netState, u.nicState); err != nil {
		return err
	}
	if u.ex == nil {
		return nil
	}
	return dropState(u.ex, u.exState)
}
