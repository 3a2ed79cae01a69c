package attach

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// brInt makes the bridge that pods' ports are on.
func brInt(t *testing.T, session context.Context, local *ovs.Database) {
	t.Helper()
	first := ovs.NewTransaction(local)
	first.Initialize(map[string]string{"system-id": "a"})
	require.NoError(t, first.Commit(session))
	root, err := ovs.Root(session, local)
	require.NoError(t, err)
	second := ovs.NewTransaction(local)
	secure := vswitch.BridgeFailModeSecure
	second.Bridge(&vswitch.OpenvSwitch{UUID: root.UUID}, nil, vswitch.Bridge{Name: nodelink.IntegrationBridge, DatapathType: "netdev", FailMode: &secure})
	require.NoError(t, second.Commit(session))
}

func pod(name, uid, container, ip string) attachment {
	return attachment{Pod: "ns/" + name, UID: uid, Container: container, IfName: "eth0", Sandbox: "/run/netns/" + container, PodPort: southbound.PodPort{
		MAC: net.HardwareAddr{0x0a, 0x58, 0x0a, 0xf4, 1, 3}, Addresses: []netip.Prefix{prefixP(ip + "/24")}, Gateways: []netip.Addr{addr("10.244.1.1")},
	}}
}

func TestAttachments(t *testing.T) {
	c, session := localDatabase(t)
	brInt(t, session, c)
	s := attachments{c}
	names := func() (all []string) {
		rows, err := s.list(session)
		require.NoError(t, err)
		for _, r := range rows {
			a, err := attachmentOf(&r)
			require.NoError(t, err)
			require.Equal(t, a.host(), r.Name)
			require.Len(t, r.Name, 15)
			all = append(all, a.Pod+" "+a.UID+" "+a.Container)
		}
		slices.Sort(all)
		return all
	}
	a, b := pod("a", "1", "c1", "10.244.1.3"), pod("b", "2", "c2", "10.244.1.4")
	for _, x := range []attachment{a, b} {
		replaced, err := s.add(session, x)
		require.NoError(t, err)
		require.Empty(t, replaced)
		i, err := ovs.Interface(session, c, x.host())
		require.NoError(t, err)
		back, err := attachmentOf(i)
		require.NoError(t, err)
		require.Equal(t, x, back, "all of an attachment is in its row")
	}
	again := pod("a", "1", "c3", "10.244.1.3")
	replaced, err := s.add(session, again)
	require.NoError(t, err)
	require.Equal(t, []string{a.host()}, replaced, "a new sandbox of the same pod")
	require.Equal(t, []string{"ns/a 1 c3", "ns/b 2 c2"}, names())

	replaced, err = s.add(session, again)
	require.NoError(t, err)
	require.Equal(t, []string{again.host()}, replaced, "the same ADD again")
	require.NoError(t, s.remove(session, a.host()), "nothing left to do")
	require.NoError(t, s.remove(session, again.host(), b.host()))
	require.Empty(t, names())
	require.Equal(t, 1, c.Cache().Table(vswitch.InterfaceTable).Len(), "br-int: ovsdb-server has collected the rest")
}
