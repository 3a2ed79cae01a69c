package topology_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

const ovn = "ovn: {northbound: 'unix:/n', southbound: 'unix:/s'}\n"

func parse(t *testing.T, text string) *config.Parsed {
	t.Helper()
	c, err := config.Parse([]byte(ovn + text))
	require.NoError(t, err)
	return c
}

func dual(t *testing.T) *config.Parsed {
	return parse(t, "clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/56']\nserviceCIDRs: [10.96.0.0/16, 'fd00:10:96::/112']\n")
}

// node returns a node that registered at the given second.
func node(name string, second int64, podCIDRs []string, addresses ...string) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(second, 0))},
		Spec:       corev1.NodeSpec{PodCIDRs: podCIDRs},
	}
	for _, a := range addresses {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	return n
}

// known is what is decided and reported of a node besides the View.
type known struct {
	Gateway nodelink.Gateway
	Join    []netip.Addr
}

func facts() known {
	return known{
		Gateway: nodelink.Gateway{
			MAC:       net.HardwareAddr{2, 0, 0, 0, 0, 0x0b},
			Addresses: []netip.Prefix{netip.MustParsePrefix("172.30.0.11/24"), netip.MustParsePrefix("fd00:172:30::11/64")},
			NextHops:  []netip.Addr{netip.MustParseAddr("172.30.0.1"), netip.MustParseAddr("fe80::1")},
		},
		Join: []netip.Addr{netip.MustParseAddr("100.64.0.3"), netip.MustParseAddr("fd98::3")},
	}
}

func nodeRows(t testing.TB, v *kube.View, c *config.Parsed, name string, k known) []row.Row {
	t.Helper()
	rows, err := topology.Node(kind.Input{
		View: v, Config: c,
		Gateway:       func(string) nodelink.Gateway { return k.Gateway },
		JoinAddresses: func(string) []netip.Addr { return k.Join },
	}, topology.Owner(name))
	require.NoError(t, err)
	return rows
}

func clusterRows(t testing.TB, v *kube.View, c *config.Parsed) []row.Row {
	t.Helper()
	rows, err := topology.Cluster(kind.Input{View: v, Config: c}, row.Cluster)
	require.NoError(t, err)
	return rows
}

func affected(v *kube.View, c *config.Parsed, change kube.Change) []row.Owner {
	return topology.Affected(kind.Input{View: v, Config: c}, change)
}

var bothCIDRs = []string{"10.244.1.0/24", "fd00:10:244:1::/64"}

func TestClusterRows(t *testing.T) {
	v := kube.NewView(node("worker-1", 1, bothCIDRs, "172.30.0.11", "fd00:172:30::11"), node("refused", 2, nil, "172.30.0.12"))
	golden.Compare(t, "cluster", golden.Rows(clusterRows(t, v, dual(t))))
}

func TestNodeRows(t *testing.T) {
	v := kube.NewView(node("worker-1", 1, bothCIDRs, "172.30.0.11", "fd00:172:30::11"))
	rows := nodeRows(t, v, dual(t), "worker-1", facts())
	golden.Compare(t, "node", golden.Rows(rows))
	assert.Equal(t, golden.Rows(rows), golden.Rows(nodeRows(t, v, dual(t), "worker-1", facts())), "one input, one output")
}

func TestNodeWithoutGatewayHasItsSwitchAlready(t *testing.T) {
	v := kube.NewView(node("worker-1", 1, bothCIDRs, "172.30.0.11", "fd00:172:30::11"))
	golden.Compare(t, "node-without-gateway", golden.Rows(nodeRows(t, v, dual(t), "worker-1", known{})))
}

func TestSingleFamilyHasNoRowOfTheOther(t *testing.T) {
	v := kube.NewView(node("worker-1", 1, bothCIDRs[1:], "172.30.0.11", "fd00:172:30::11"))
	c := parse(t, "clusterCIDRs: ['fd00:10:244::/56']\nserviceCIDRs: ['fd00:10:96::/112']\n")
	f := facts()
	f.Join = f.Join[1:]
	golden.Compare(t, "node-ipv6", golden.Rows(clusterRows(t, v, c))+golden.Rows(nodeRows(t, v, c, "worker-1", f)))

	v = kube.NewView(node("worker-1", 1, bothCIDRs[:1], "172.30.0.11", "fd00:172:30::11"))
	c = parse(t, "clusterCIDRs: [10.244.0.0/16]\nserviceCIDRs: [10.96.0.0/16]\n")
	f = facts()
	f.Join = f.Join[:1]
	text := golden.Rows(clusterRows(t, v, c)) + golden.Rows(nodeRows(t, v, c, "worker-1", f))
	assert.NotContains(t, text, "::")
	assert.NotContains(t, text, "ip6")
}

func TestDualStackClusterWithSingleStackNode(t *testing.T) {
	v := kube.NewView(node("worker-1", 1, bothCIDRs[:1], "172.30.0.11", "fd00:172:30::11"))
	for _, r := range nodeRows(t, v, dual(t), "worker-1", facts()) {
		assert.NotContains(t, golden.Rows([]row.Row{r}), "fd00:10:244:1", "%v", r.ID)
	}
}

func TestSubnets(t *testing.T) {
	c := dual(t)
	v := kube.NewView(
		node("none", 1, nil), node("first", 2, bothCIDRs), node("second", 3, bothCIDRs[:1]), node("outside", 4, []string{"10.9.0.0/24"}),
		node("tiny", 5, []string{"10.244.9.0/31"}), node("fine", 6, []string{"fd00:10:244:2::/64", "10.244.2.0/24"}),
	)
	for name, reason := range map[string]string{
		"none": "NoPodCIDR", "second": "PodCIDRConflict", "outside": "PodCIDROutsideCluster", "tiny": "BadPodCIDR",
	} {
		subnets, err := topology.Subnets(v, c, name)
		var refused topology.Refused
		require.ErrorAs(t, err, &refused, name)
		assert.Equal(t, reason, refused.Reason)
		assert.Empty(t, subnets)
		assert.Empty(t, nodeRows(t, v, c, name, facts()))
	}
	subnets, err := topology.Subnets(v, c, "fine")
	require.NoError(t, err)
	assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("fd00:10:244:2::/64")}, subnets)
	subnets, err = topology.Subnets(v, c, "gone")
	assert.NoError(t, err)
	assert.Empty(t, subnets)
}

func TestAffected(t *testing.T) {
	c := dual(t)
	first, second := node("first", 1, bothCIDRs, "172.30.0.11"), node("second", 2, bothCIDRs)
	v := kube.NewView(second)
	assert.Equal(t, []row.Owner{topology.Owner("first"), topology.Owner("second")}, affected(v, c, kube.Change{Old: first}), "the second gets the network")
	v.Set(first)
	assert.Empty(t, affected(v, c, kube.Change{Old: first, New: first.DeepCopy()}))
	moved := node("first", 1, bothCIDRs, "172.30.0.12")
	assert.Equal(t, []row.Owner{topology.Owner("first")}, affected(v, c, kube.Change{Old: first, New: moved}))
	cluster := func(change kube.Change) []row.Owner {
		return topology.ClusterKind.Affected(kind.Input{View: v, Config: c}, change)
	}
	assert.Equal(t, []row.Owner{row.Cluster}, cluster(kube.Change{Old: first, New: moved}), "a set has the addresses of all nodes")
	assert.Equal(t, []row.Owner{row.Cluster}, cluster(kube.Change{Old: first}))
	assert.Empty(t, cluster(kube.Change{Old: second}), "it has no address")
	labelled := first.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	assert.Empty(t, affected(v, c, kube.Change{Old: first, New: labelled}))
	assert.Empty(t, cluster(kube.Change{Old: first, New: labelled}))
	assert.Empty(t, affected(v, c, kube.Change{New: &kube.Pod{}}))
	assert.Empty(t, cluster(kube.Change{New: &kube.Pod{}}))
}

// TestNamesNeverMeet puts nodes side by side whose names are those of rows.
func TestNamesNeverMeet(t *testing.T) {
	c := dual(t)
	seen := map[row.ID]bool{}
	names := []string{"cluster", "join", "gw-join", "ext-join", "join-host", "cluster-join", "gw-join-host", "join.peer"}
	v := kube.NewView()
	for i, name := range names {
		v.Set(node(name, 1, []string{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24).String()}))
	}
	ports := map[string]bool{}
	rows := clusterRows(t, v, c)
	for _, name := range names {
		rows = append(rows, nodeRows(t, v, c, name, facts())...)
	}
	for _, r := range rows {
		assert.False(t, seen[r.ID], "%v twice", r.ID)
		seen[r.ID] = true
		if r.ID.Table == "Logical_Switch_Port" || r.ID.Table == "Logical_Router_Port" {
			assert.False(t, ports[r.ID.Name], "port %s twice", r.ID.Name)
			ports[r.ID.Name] = true
		}
	}
}
