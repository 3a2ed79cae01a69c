package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/agent/uplink"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// localDatabase is a real ovsdb-server with an empty Open_vSwitch database, and a client.
func localDatabase(t *testing.T) (*ovs.Database, context.Context) {
	s := ovsdbtest.Start(t, schema.Vswitch)
	c, err := ovs.Dial(t.Context(), s.Remote, logr.Discard())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	session, err := c.Session(t.Context())
	require.NoError(t, err)
	return c, session
}

func testUplink() uplink.Uplink {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 11}
	return uplink.Uplink{
		NIC: &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "eth0", HardwareAddr: mac}},
		Memory: uplink.Memory{NIC: "eth0", MAC: mac.String(), MTU: 1600, Boot: "b", State: kernel.State{
			Addresses: has("192.0.2.11/24"), Routes: []kernel.Route{via("0.0.0.0/0", "192.0.2.1", 0)},
		}},
	}
}

// describe shows the database as bridges with their ports.
func describe(t *testing.T, c *ovs.Database) string {
	var b strings.Builder
	for _, name := range []string{nodelink.IntegrationBridge, nodelink.ExternalBridge} {
		br, err := ovs.Bridge(t.Context(), c, name)
		require.NoError(t, err)
		if br == nil {
			continue
		}
		fmt.Fprintf(&b, "%s %s %s\n", br.Name, br.DatapathType, *br.FailMode)
		var ports []vswitch.Port
		require.NoError(t, c.List(t.Context(), &ports))
		slices.SortFunc(ports, func(a, b vswitch.Port) int { return strings.Compare(a.Name, b.Name) })
		for _, p := range ports {
			if !slices.Contains(br.Ports, p.UUID) {
				continue
			}
			i, err := ovs.Interface(t.Context(), c, p.Name)
			require.NoError(t, err)
			fmt.Fprintf(&b, "  %s type=%q", p.Name, i.Type)
			if i.MTURequest != nil {
				fmt.Fprintf(&b, " mtu=%d", *i.MTURequest)
			}
			if i.MAC != nil {
				fmt.Fprintf(&b, " mac=%s", *i.MAC)
			}
			if id := i.ExternalIDs[ovs.IfaceID]; id != "" {
				fmt.Fprintf(&b, " iface-id=%s", id)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestNodeRows(t *testing.T) {
	c, session := localDatabase(t)
	n := &node{name: "a", ips: []netip.Addr{addr("192.0.2.11")}, config: parsed(t), local: c}
	up := testUplink()
	turn := func(host *southbound.HostPort) {
		require.NoError(t, n.setRows(session, up, host, 1500))
	}
	quiet := func(host *southbound.HostPort) {
		tr, err := n.rows(session, up, host, 1500)
		require.NoError(t, err)
		require.True(t, tr.Empty(), "a second look changes nothing")
	}
	turn(nil) // makes the Open_vSwitch row
	turn(nil)
	require.Equal(t, `br-int netdev secure
  br-int type="internal"
  ovn0 type="internal" mtu=1500 iface-id=a-host
br-ex netdev standalone
  br-ex type="internal"
`, describe(t, c), "the NIC waits until br-ex has appeared")
	quiet(nil)

	up.Ex = &netlink.Dummy{}
	turn(nil)
	host, err := southbound.HostPortOf(hostBinding())
	require.NoError(t, err)
	turn(&host)
	require.Equal(t, `br-int netdev secure
  br-int type="internal"
  ovn0 type="internal" mtu=1500 mac=0a:58:0a:f4:01:02 iface-id=a-host
br-ex netdev standalone
  br-ex type="internal" mtu=1600
  eth0 type=""
`, describe(t, c))
	quiet(&host)
	quiet(nil) // The Southbound database is away: what it said stays.

	root, err := ovs.Root(t.Context(), c)
	require.NoError(t, err)
	g, err := nodelink.ParseGateway(root.ExternalIDs[nodelink.OptionsKey])
	require.NoError(t, err)
	require.Equal(t, "woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24,woven-via4=192.0.2.1", g.String())

	// ovn-controller makes br-int with another datapath type when it starts first; somebody adds a key.
	br, err := ovs.Bridge(t.Context(), c, nodelink.IntegrationBridge)
	require.NoError(t, err)
	tr := ovs.NewTransaction(c)
	br.DatapathType = "system"
	tr.Merge(br, &br.ExternalIDs, br.ExternalIDs, map[string]string{"ct-zone-x": "1"})
	require.NoError(t, tr.Commit(session))
	ops, err := c.Where(br).Update(br, &br.DatapathType)
	require.NoError(t, err)
	_, err = c.Transact(session, ops...)
	require.NoError(t, err)
	turn(&host)
	br, err = ovs.Bridge(t.Context(), c, nodelink.IntegrationBridge)
	require.NoError(t, err)
	require.Equal(t, "netdev", br.DatapathType)
	require.Equal(t, "1", br.ExternalIDs["ct-zone-x"], "keys of others stay")
	quiet(&host)

	require.NoError(t, giveBackRows(session, c, n))
	require.Empty(t, describe(t, c))
	root, err = ovs.Root(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, root.ExternalIDs)
}
