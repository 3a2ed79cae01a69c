package controller

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// FuzzLearn has a controller start over rows that hold any text, as after a person's hand. It must go on, and every pod
// and node must have addresses of its own that it may have.
func FuzzLearn(f *testing.F) {
	f.Add("pod/ns/first", "1", "0a:58:0a:f4:01:09 10.244.1.9 fd00:10:244:1::9", "pod/ns/second", "2", "0a:58:0a:f4:01:09 10.244.1.9", "100.64.0.7/16", "woven-mac=02:00:00:00:00:0b,woven-ip4=172.30.0.11/24")
	f.Add("pod/", "", "10.244.1.1", "pod/ns/second", "2", "10.244.1.255 10.9.9.9 ::", "100.64.0.1/16", "woven-mac=")
	f.Add("pod/ns", "\x00", "unknown", "node/a", "", "router", "100.64.0.0/33", "")
	f.Add("pod/ns/first/x", "1", "10.244.1.3%x ::ffff:10.244.1.3", "", "", "fe80::1%eth0", "fe80::1%eth0/64", "woven")
	f.Fuzz(func(t *testing.T, owner, uid, addresses, owner2, uid2, addresses2, network, told string) {
		w := newWorld(t)
		w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24", "fd00:10:244:1::/64"}}})
		w.view.Set(labelled("first", "1"))
		w.view.Set(labelled("second", "2"))
		ids := func(owner string) map[string]string { return map[string]string{row.OwnerKey: owner} }
		options := func(uid string) map[string]string { return map[string]string{nodelink.InterfaceVersion: uid} }
		w.learn(found{
			ports: []*nb.LogicalSwitchPort{
				{Name: owner, ExternalIDs: ids(owner), Options: options(uid), Addresses: []string{addresses}},
				{Name: owner2, ExternalIDs: ids(owner2), Options: options(uid2), Addresses: strings.Split(addresses2, ",")},
			},
			routerPorts: []*nb.LogicalRouterPort{{Name: topology.GatewayJoinPort("a"), ExternalIDs: ids("node/a"), Networks: []string{network, addresses}}},
			routers:     []*nb.LogicalRouter{{Name: "gw-a", ExternalIDs: map[string]string{row.OwnerKey: "node/a", topology.GatewayKey: told}}},
		}, logr.Discard())
		seen := map[netip.Addr]string{}
		for _, name := range []string{"first", "second"} {
			got := addressesOf([]string{w.addressesOf(t, name)})
			require.NotEmpty(t, got)
			for _, a := range got {
				require.Empty(t, seen[a], "%s is that of two pods", a)
				seen[a] = name
				require.True(t, slices.ContainsFunc(prefixesOf("10.244.1.0/24", "fd00:10:244:1::/64"), func(p netip.Prefix) bool { return p.Contains(a) }), "%s", a)
				require.NotContains(t, []string{"10.244.1.0", "10.244.1.1", "10.244.1.2", "10.244.1.255", "fd00:10:244:1::", "fd00:10:244:1::1", "fd00:10:244:1::2"}, a.String())
			}
		}
		_, err := w.translate(topology.Owner("a"))
		require.NoError(t, err)
		if join := w.joins.Held("a"); len(join) > 0 && !w.gateways.of("a").IsZero() {
			require.Len(t, join, 2)
			require.NotContains(t, []string{"100.64.0.1", "fd98::1"}, join[0].String())
		}
		w.view.Unset(labelled("first", "1"))
		w.view.Unset(labelled("second", "2"))
		require.Empty(t, w.addressesOf(t, "first"))
		require.Empty(t, w.addressesOf(t, "second"))
		// The engine asks for the owners of all rows it finds.
		for _, o := range []string{owner, owner2} {
			rows, err := w.translate(row.ParseOwner(o))
			require.NoError(t, err)
			require.True(t, len(rows) == 0 || !strings.HasPrefix(o, "pod/"))
		}
		require.Zero(t, w.pods.Holders(), "an address is lost")
	})
}

func prefixesOf(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// Of a pod's row and what the pod reports, the report counts; of two pods that claim one address by hand, one has it.
func TestHandEditsOfAddressesDoNotCount(t *testing.T) {
	w := newWorld(t)
	w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}})
	running := labelled("running", "1")
	running.Status.PodIPs = []corev1.PodIP{{IP: "10.244.1.9"}}
	w.view.Set(running)
	w.view.Set(labelled("thief", "2"))
	w.restoreFromPods(logr.Discard())
	port := func(name, uid, addresses string) *nb.LogicalSwitchPort {
		return &nb.LogicalSwitchPort{
			Name: "ns/" + name, Addresses: []string{addresses},
			ExternalIDs: map[string]string{row.OwnerKey: "pod/ns/" + name}, Options: map[string]string{nodelink.InterfaceVersion: uid},
		}
	}
	w.learn(found{ports: []*nb.LogicalSwitchPort{port("running", "1", "nonsense"), port("thief", "2", "0a:58:0a:f4:01:09 10.244.1.9")}}, logr.Discard())
	assert.Equal(t, "0a:58:0a:f4:01:09 10.244.1.9", w.addressesOf(t, "running"))
	assert.Equal(t, "0a:58:0a:f4:01:03 10.244.1.3", w.addressesOf(t, "thief"))
}
