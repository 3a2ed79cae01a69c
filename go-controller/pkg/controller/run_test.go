package controller

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube/kubetest"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// lab is a controller with real databases and an API server that is a fake.
type lab struct {
	config                 *config.Parsed
	api                    *fake.Clientset
	nbServer               *ovsdbtest.Server
	northbound, southbound *ovsdb.Client
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{config: parse(t), api: fake.NewClientset(), nbServer: ovsdbtest.Start(t, schema.Northbound)}
	l.config.OVN.Northbound = l.nbServer.Remote
	l.config.OVN.Southbound = ovsdbtest.Start(t, schema.Southbound).Remote
	dial := func(target ovsdb.Target, err error) *ovsdb.Client {
		require.NoError(t, err)
		c, err := ovsdb.Dial(t.Context(), target, logr.Discard())
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	l.northbound, l.southbound = dial(ovsdb.Northbound(l.config.OVN)), dial(ovsdb.Southbound(l.config.OVN))
	return l
}

// run starts a controller; the function it returns stops it and waits for its end.
func (l *lab) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Config: l.config, Client: kubetest.Client(l.api), LeaseNamespace: "woven-system", Log: logr.Discard()})
	}()
	return func() {
		cancel()
		assert.NoError(t, <-done)
		lease, err := l.api.CoordinationV1().Leases("woven-system").Get(t.Context(), leaseName, metav1.GetOptions{})
		require.NoError(t, err)
		assert.Empty(t, *lease.Spec.HolderIdentity, "the lease is given back at the end")
	}
}

// ports returns the addresses of all ports by their names.
func (l *lab) ports(t *testing.T) map[string]string {
	var all []nb.LogicalSwitchPort
	require.NoError(t, l.northbound.List(t.Context(), &all))
	found := map[string]string{}
	for _, p := range all {
		found[p.Name] = p.Addresses[0]
	}
	return found
}

func (l *lab) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 20*time.Second, 5*time.Millisecond, what)
}

// chassis sets what a node's agent tells, or removes the chassis if the gateway is zero.
func (l *lab) chassis(t *testing.T, name string, g nodelink.Gateway) {
	t.Helper()
	if g.IsZero() {
		operations, err := l.southbound.WhereCache(func(c *sb.Chassis) bool { return c.Name == name }).Delete()
		require.NoError(t, err)
		_, err = l.southbound.Transact(t.Context(), operations...)
		require.NoError(t, err)
		return
	}
	results, err := l.southbound.Transact(t.Context(), register(name, "172.30.0.11", g.String())...)
	require.NoError(t, err)
	for _, r := range results {
		require.Empty(t, r.Error, r.Details)
	}
}

// register returns the rows that ovn-controller makes of a node, with what its agent tells of its gateway.
func register(name, ip, options string) []libovsdb.Operation {
	const encap = "encap"
	return []libovsdb.Operation{
		{
			Op: libovsdb.OperationInsert, Table: sb.EncapTable, UUIDName: encap,
			Row: libovsdb.Row{"chassis_name": name, "ip": ip, "type": sb.EncapTypeGeneve},
		},
		{
			Op: libovsdb.OperationInsert, Table: sb.ChassisTable,
			Row: libovsdb.Row{
				"name": name, "hostname": name, "encaps": libovsdb.UUID{GoUUID: encap},
				"other_config": libovsdb.OvsMap{GoMap: map[any]any{nodelink.OptionsKey: options}},
			},
		},
	}
}

func (l *lab) add(t *testing.T, objects ...any) {
	t.Helper()
	for _, o := range objects {
		var err error
		switch o := o.(type) {
		case *corev1.Node:
			_, err = l.api.CoreV1().Nodes().Create(t.Context(), o, metav1.CreateOptions{})
		case *corev1.Pod:
			_, err = l.api.CoreV1().Pods(o.Namespace).Create(t.Context(), o, metav1.CreateOptions{})
		}
		require.NoError(t, err)
	}
}

func labNode() *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24", "fd00:10:244:1::/64"}}}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.11"}}
	return n
}

func labPod(name string, ips ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "1"}, Spec: corev1.PodSpec{NodeName: "a"}}
	for _, ip := range ips {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
	}
	return p
}

var labGateway = nodelink.Gateway{
	MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addresses: []netip.Prefix{netip.MustParsePrefix("172.30.0.11/24")},
	NextHops: []netip.Addr{netip.MustParseAddr("172.30.0.1")},
}

func TestControllerFromNodeToPod(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("running", "10.244.1.77", "fd00:10:244:1::77"), labPod("elsewhere", "192.0.2.1"))
	defer l.run(t)()
	l.eventually(t, "status.podIPs wins", func() bool { return l.ports(t)["ns/running"] == "0a:58:0a:f4:01:4d 10.244.1.77 fd00:10:244:1::77" })
	l.eventually(t, "an address of no network of the node's is not taken", func() bool {
		return l.ports(t)["ns/elsewhere"] == "0a:58:0a:f4:01:03 10.244.1.3 fd00:10:244:1::3"
	})
	assert.NotContains(t, l.ports(t), "gw-a_join_peer")
	l.chassis(t, "a", labGateway)
	l.eventually(t, "the gateway router follows what the agent tells", func() bool { return l.ports(t)["gw-a_join_peer"] != "" })
	l.chassis(t, "a", nodelink.Gateway{})

	l.add(t, labPod("late"))
	l.eventually(t, "a new pod", func() bool { return l.ports(t)["ns/late"] == "0a:58:0a:f4:01:04 10.244.1.4 fd00:10:244:1::4" })
	require.NoError(t, l.api.CoreV1().Pods("ns").Delete(t.Context(), "late", metav1.DeleteOptions{}))
	l.eventually(t, "a pod that is gone", func() bool { return l.ports(t)["ns/late"] == "" })
	assert.NotEmpty(t, l.ports(t)["gw-a_join_peer"], "a chassis that goes takes nothing with it")

	require.NoError(t, l.api.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}))
	l.eventually(t, "a node that is gone", func() bool { return maps.Equal(l.ports(t), map[string]string{"join_cluster_peer": "router"}) })
}

func TestRestartRemembers(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("first"), labPod("second"))
	l.chassis(t, "a", labGateway)
	stop := l.run(t)
	l.eventually(t, "all rows", func() bool {
		p := l.ports(t)
		return p["ns/first"] != "" && p["ns/second"] != "" && p["gw-a_ext_peer"] != ""
	})
	before := l.ports(t)
	// Without the first pod the second would get its address, if what is in the database did not count.
	require.NoError(t, l.api.CoreV1().Pods("ns").Delete(t.Context(), "first", metav1.DeleteOptions{}))
	l.eventually(t, "the first is gone", func() bool { return l.ports(t)["ns/first"] == "" })
	stop()
	l.chassis(t, "a", nodelink.Gateway{})

	changes := watchChanges(t, l.northbound)
	stop = l.run(t)
	l.add(t, labPod("third"))
	l.eventually(t, "the new pod", func() bool { return l.ports(t)["ns/third"] != "" })
	stop()
	after := l.ports(t)
	assert.Equal(t, before["ns/second"], after["ns/second"])
	assert.Equal(t, before["gw-a_ext_peer"], after["gw-a_ext_peer"], "the gateway is known though the chassis is gone")
	assert.ElementsMatch(t, []string{"Logical_Switch_Port ns/third", "~Logical_Switch a"}, changes(), "a restart over unchanged state writes nothing but what is new")
}

// TestDatabaseIsACache loses the whole Northbound database under a running controller.
func TestDatabaseIsACache(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("first"), labPod("second"))
	defer l.run(t)()
	l.eventually(t, "all rows", func() bool { return len(l.ports(t)) == 5 })
	before := l.ports(t)
	l.nbServer.Recreate()
	l.eventually(t, "all rows again, with the same addresses", func() bool {
		_, err := l.northbound.Session(t.Context())
		return err == nil && maps.Equal(before, l.ports(t))
	})
}

// watchChanges returns a function that returns the rows that were added, changed (~) or deleted (-) since. Events come one
// after another and some time after the cache has the rows, so a row of somebody else's marks the beginning and the end.
func watchChanges(t *testing.T, c client.Client) func() []string {
	t.Helper()
	changes, fences := make(chan string, 1000), 0
	c.Cache().AddEventHandler(&changeRecorder{changes})
	until := func() (all []string) {
		t.Helper()
		fences++
		fence := &nb.LogicalSwitch{Name: fmt.Sprint("somebody-else's-", fences)}
		operations, err := c.Create(fence)
		require.NoError(t, err)
		results, err := c.Transact(t.Context(), operations...)
		require.NoError(t, err)
		require.Empty(t, results[0].Error)
		for {
			select {
			case change := <-changes:
				if change == nb.LogicalSwitchTable+" "+fence.Name {
					return all
				}
				all = append(all, change)
			case <-time.After(20 * time.Second):
				require.Fail(t, "no event of "+fence.Name)
			}
		}
	}
	until()
	return until
}

type changeRecorder struct{ changes chan<- string }

func (r *changeRecorder) OnAdd(table string, m model.Model) { r.changes <- table + " " + nameOf(m) }
func (r *changeRecorder) OnDelete(table string, m model.Model) {
	r.changes <- "-" + table + " " + nameOf(m)
}
func (r *changeRecorder) OnUpdate(table string, _, m model.Model) {
	r.changes <- "~" + table + " " + nameOf(m)
}

func nameOf(m model.Model) string {
	switch m := m.(type) {
	case *nb.LogicalSwitchPort:
		return m.Name
	case *nb.LogicalSwitch:
		return m.Name
	}
	return ""
}
