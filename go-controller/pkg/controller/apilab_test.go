//go:build apiserver

package controller

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
	"github.com/woven-network/woven/test/apiserver"
)

// TestAPI runs controllers with a real API server, which refuses what a fake accepts, and real databases. All
// share one API server; each has databases of its own and leaves no objects.
func TestAPI(t *testing.T) {
	server := apiserver.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *apiLab)
	}{
		{"NodeComesAndGoes", testNodeComesAndGoes},
		{"NodeWithoutPodCIDRYet", testNodeWithoutPodCIDRYet},
		{"NodeChangesItsAddress", testNodeChangesItsAddress},
		{"NodeGetsSecondFamily", testNodeGetsSecondFamily},
		{"NodeOfOneFamily", testNodeOfOneFamily},
		{"TwoNodesClaimOneCIDR", testTwoNodesClaimOneCIDR},
		{"SubnetExhausted", testSubnetExhausted},
		{"TaintAndCordon", testTaintAndCordon},
		{"NodeRenamed", testNodeRenamed},
		{"NodeReplaced", testNodeReplaced},
		{"AnnotationOfAnyText", testAnnotationOfAnyText},
		{"ServerAway", testServerAway},
		{"PausedLeaderWakes", testPausedLeaderWakes},
		{"StolenLease", testStolenLease},
		{"DeletedLease", testDeletedLease},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newAPILab(t, server)
			test.run(t, l)
		})
	}
}

// apiLab is a world of real programs around controllers.
type apiLab struct {
	*testing.T
	server                 *apiserver.Server
	api                    kubernetes.Interface
	config                 *config.Parsed
	northbound, southbound *ovsdb.Client
	nbServer               *ovsdbtest.Server
	// metrics is the address of the controller's metrics.
	metrics string
}

func newAPILab(t *testing.T, server *apiserver.Server) *apiLab {
	l := &apiLab{T: t, server: server, api: server.Client, config: parse(t), nbServer: ovsdbtest.Start(t, schema.Northbound)}
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
	_, err := l.api.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "woven-system"}}, metav1.CreateOptions{})
	if err != nil {
		require.ErrorContains(t, err, "already exists")
	}
	t.Cleanup(l.clean)
	return l
}

// clean deletes all objects that tests make.
func (l *apiLab) clean() {
	ctx, now, all := context.WithoutCancel(l.Context()), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}, metav1.ListOptions{}
	require.NoError(l, l.api.CoreV1().Pods("default").DeleteCollection(ctx, now, all))
	require.NoError(l, l.api.CoreV1().Nodes().DeleteCollection(ctx, now, all))
	require.NoError(l, l.api.CoreV1().Events("default").DeleteCollection(ctx, now, all))
	require.NoError(l, l.api.CoordinationV1().Leases("woven-system").DeleteCollection(ctx, now, all))
}

// client is a controller's client of the API server.
func (l *apiLab) client() *kube.Client {
	l.Helper()
	client, err := kube.NewClient(l.server.Config)
	require.NoError(l, err)
	return client
}

// start runs a controller until the test ends or stop is called.
func (l *apiLab) start() (stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l, err)
	l.metrics = listener.Addr().String()
	require.NoError(l, listener.Close())
	ctx, cancel := context.WithCancel(l.Context())
	done := make(chan error, 1)
	leading := make(chan struct{}, 1)
	log := funcr.New(func(_, line string) {
		if strings.Contains(line, `"msg"="in accord`) {
			leading <- struct{}{}
		}
	}, funcr.Options{})
	client := l.client()
	go func() {
		done <- Run(ctx, Options{
			Config: l.config, Client: client, LeaseNamespace: "woven-system", Endpoints: endpoint.Addresses{Metrics: l.metrics}, Log: log,
			problemGrace: 100 * time.Millisecond,
		})
	}()
	select {
	case <-leading:
	case err := <-done:
		require.NoError(l, err)
	case <-time.After(time.Minute):
		require.Fail(l, "the controller does not lead after a minute")
	}
	ended := false
	stop = func() {
		if cancel(); !ended {
			ended = true
			require.NoError(l, <-done)
		}
	}
	l.Cleanup(stop)
	return stop
}

// node makes a Node; networks are its podCIDRs.
func (l *apiLab) node(name string, networks ...string) *corev1.Node {
	l.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: networks}}
	if len(networks) > 0 {
		n.Spec.PodCIDR = networks[0]
	}
	n, err := l.api.CoreV1().Nodes().Create(l.Context(), n, metav1.CreateOptions{})
	require.NoError(l, err)
	return n
}

func (l *apiLab) removeNode(name string) {
	l.Helper()
	require.NoError(l, l.api.CoreV1().Nodes().Delete(l.Context(), name, metav1.DeleteOptions{}))
}

// patchNode changes a Node by a merge patch, as kubectl does.
func (l *apiLab) patchNode(name, patch string, subresources ...string) {
	l.Helper()
	_, err := l.api.CoreV1().Nodes().Patch(l.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...)
	require.NoError(l, err)
}

// addresses sets a Node's InternalIPs.
func (l *apiLab) addresses(node string, ips ...string) {
	l.Helper()
	var all []string
	for _, ip := range ips {
		all = append(all, fmt.Sprintf(`{"type": "InternalIP", "address": %q}`, ip))
	}
	l.patchNode(node, `{"status": {"addresses": [`+strings.Join(all, ", ")+`]}}`, "status")
}

// pod makes a Pod that is bound to a node, and says what addresses it reports when it has any.
func (l *apiLab) pod(name, node string, ips ...string) *corev1.Pod {
	l.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	p, err := l.api.CoreV1().Pods("default").Create(l.Context(), p, metav1.CreateOptions{})
	require.NoError(l, err)
	if len(ips) > 0 {
		p.Status.Phase, p.Status.PodIP = corev1.PodRunning, ips[0]
		for _, ip := range ips {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		_, err = l.api.CoreV1().Pods("default").UpdateStatus(l.Context(), p, metav1.UpdateOptions{})
		require.NoError(l, err)
	}
	return p
}

func (l *apiLab) removePod(name string) {
	l.Helper()
	require.NoError(l, l.api.CoreV1().Pods("default").Delete(l.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
}

// chassis sets what a node's agent tells of its gateway: addresses with prefix lengths, and the default next hop.
func (l *apiLab) chassis(name string, mac byte, via string, addresses ...string) {
	l.Helper()
	options := fmt.Sprintf("woven-mac=02:00:00:00:00:%02x,woven-via4=%s", mac, via)
	for _, a := range addresses {
		if strings.Contains(a, ":") {
			options += ",woven-ip6=" + a
		} else {
			options += ",woven-ip4=" + a
		}
	}
	_, err := nodelink.ParseGateway(options)
	require.NoError(l, err)
	ip, _, _ := strings.Cut(addresses[0], "/")
	l.tell(append(l.noMore(name), register(name, ip, options)...))
}

// noChassis removes a node's chassis, as ovn-controller does when it is stopped.
func (l *apiLab) noChassis(name string) {
	l.Helper()
	l.tell(l.noMore(name))
}

func (l *apiLab) noMore(chassis string) []libovsdb.Operation {
	remove, err := l.southbound.WhereCache(func(c *sb.Chassis) bool { return c.Name == chassis }).Delete()
	require.NoError(l, err)
	return remove
}

func (l *apiLab) tell(operations []libovsdb.Operation) {
	l.Helper()
	results, err := l.southbound.Transact(l.Context(), operations...)
	require.NoError(l, err)
	for _, r := range results {
		require.Empty(l, r.Error, r.Details)
	}
}

// ports returns the addresses of all ports by their names.
func (l *apiLab) ports() map[string]string {
	var all []nb.LogicalSwitchPort
	require.NoError(l, l.northbound.List(l.Context(), &all))
	found := map[string]string{}
	for _, p := range all {
		found[p.Name] = strings.Join(p.Addresses, ", ")
	}
	return found
}

// port waits until a port has addresses that contain a text, "" for any, and returns them.
func (l *apiLab) port(name, text string) string {
	l.Helper()
	l.eventually("port "+name+" with "+text, func() bool { a, ok := l.ports()[name]; return ok && strings.Contains(a, text) })
	return l.ports()[name]
}

func (l *apiLab) noPort(name string) {
	l.Helper()
	l.eventually("no port "+name, func() bool { _, ok := l.ports()[name]; return !ok })
}

// policies returns the cluster router's policies: match -> next hops.
func (l *apiLab) policies() map[string]string {
	var all []nb.LogicalRouterPolicy
	require.NoError(l, l.northbound.List(l.Context(), &all))
	found := map[string]string{}
	for _, p := range all {
		found[p.Match] = strings.Join(p.Nexthops, " ")
	}
	return found
}

func (l *apiLab) eventually(what string, is func() bool) {
	l.Helper()
	require.Eventually(l, is, 20*time.Second, 5*time.Millisecond, what)
}

// event waits for an Event of a kind of object and returns its message.
func (l *apiLab) event(kind, name, reason string) string {
	l.Helper()
	var message string
	l.eventually(fmt.Sprintf("Event %s of %s %s", reason, kind, name), func() bool {
		events, err := l.api.CoreV1().Events("default").List(l.Context(), metav1.ListOptions{
			FieldSelector: fmt.Sprintf("involvedObject.kind=%s,involvedObject.name=%s,reason=%s", kind, name, reason),
		})
		require.NoError(l, err)
		if len(events.Items) == 0 {
			return false
		}
		message = events.Items[0].Message
		return true
	})
	return message
}

// quiet says that nothing is written from now on while something happens. The marker is a change that is seen to be
// written after it: whatever came before has then been dealt with.
func (l *apiLab) quiet(happens func()) {
	l.Helper()
	changes := watchChanges(l.T, l.northbound)
	happens()
	l.pod("marker", l.anyNode())
	l.port("default/marker", "")
	for _, change := range changes() {
		if strings.HasPrefix(change, "~Logical_Switch ") || strings.HasSuffix(change, "default/marker") {
			continue
		}
		require.Fail(l, "a row was written: "+change)
	}
	l.removePod("marker")
	l.noPort("default/marker")
}

func (l *apiLab) anyNode() string {
	nodes, err := l.api.CoreV1().Nodes().List(l.Context(), metav1.ListOptions{})
	require.NoError(l, err)
	require.NotEmpty(l, nodes.Items)
	return nodes.Items[0].Name
}

// empty waits until no row is left but the cluster's own.
func (l *apiLab) empty() {
	l.Helper()
	l.eventually("only the cluster's own port is left", func() bool { return maps.Equal(l.ports(), map[string]string{"join_cluster_peer": "router"}) })
}

// handlerFuncs calls a function for every row that is added or changed.
type handlerFuncs struct{ wrote func(any) }

func (h *handlerFuncs) OnAdd(_ string, m model.Model)       { h.wrote(m) }
func (h *handlerFuncs) OnUpdate(_ string, _, m model.Model) { h.wrote(m) }
func (h *handlerFuncs) OnDelete(string, model.Model)        {}
