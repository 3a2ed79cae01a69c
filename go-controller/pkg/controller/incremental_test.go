package controller

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

func parse(t testing.TB) *config.Parsed {
	t.Helper()
	c, err := config.Parse([]byte("ovn: {northbound: 'unix:/n', southbound: 'unix:/s'}\n" +
		"clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/56']\nserviceCIDRs: [10.96.0.0/16, 'fd00:10:96::/112']\n"))
	require.NoError(t, err)
	return c
}

// world is a desired state that is kept up to date as a controller does it: after a change, only what is marked is
// asked for again.
type world struct {
	*desired
	// have maps an owner to the text of its rows.
	have   map[row.Owner]string
	marked map[row.Owner]bool
}

func newWorld(t testing.TB) *world {
	w := &world{have: map[row.Owner]string{}, marked: map[row.Owner]bool{}}
	mark := func(owners ...row.Owner) {
		for _, o := range owners {
			w.marked[o] = true
		}
	}
	quiet := newProblems(record.NewFakeRecorder(0), func(row.Owner) corev1.ObjectReference { return corev1.ObjectReference{} }, time.Hour)
	g := newGateways(logr.Discard(), func(node string) { mark(topology.Owner(node)) })
	w.desired = newDesired(kinds, parse(t), kube.NewView(), g, quiet, mark)
	mark(row.Cluster)
	return w
}

// change changes the view as an informer would; the zero of either means "none".
func (w *world) change(before, after kube.Object) {
	if after != nil {
		w.view.Set(after)
	} else {
		w.view.Unset(before)
	}
	w.mark(w.affected(kube.Change{Old: slim(before), New: slim(after)})...)
}

// slim returns an object as the view has it.
func slim(o kube.Object) kube.Object {
	if p, ok := o.(*corev1.Pod); ok {
		return kube.NewPod(p)
	}
	return o
}

// settle asks for the rows of what is marked, until nothing is.
func (w *world) settle(t testing.TB) {
	for len(w.marked) > 0 {
		for o := range w.marked {
			delete(w.marked, o)
			rows, err := w.translate(o)
			require.NoError(t, err)
			w.have[o] = golden.Rows(rows)
			if len(rows) == 0 {
				delete(w.have, o)
			}
		}
	}
}

// TestIncrementalEqualsFull plays random events and compares, after each, what the marked owners alone have brought
// with a recomputation of everything.
func TestIncrementalEqualsFull(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			w := newWorld(t)
			for step := range 300 {
				what := w.randomChange(r)
				w.settle(t)
				full := map[row.Owner]string{}
				for _, o := range w.owners() {
					rows, err := w.translate(o)
					require.NoError(t, err)
					if len(rows) > 0 {
						full[o] = golden.Rows(rows)
					}
				}
				for o := range full {
					require.Equal(t, full[o], w.have[o], "%s after step %d: %s", o, step, what)
				}
				require.Len(t, w.have, len(full), "rows that nobody wants after step %d: %s", step, what)
				require.Empty(t, w.marked, "step %d: a recomputation changed something", step)
			}
		})
	}
}

func (w *world) randomChange(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return w.randomNode(r)
	case 1:
		name := fmt.Sprint("node-", r.IntN(4))
		g := nodelink.Gateway{MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(r.IntN(3))}}
		g.Addresses = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("172.30.0.%d/24", 10+r.IntN(3)))}
		if r.IntN(4) == 0 {
			w.gateways.unset(name, "row")
			return "chassis gone " + name
		}
		w.gateways.set(name, "row", g.String())
		return "gateway of " + name
	case 2:
		return w.randomService(r)
	case 3:
		return w.randomSlice(r)
	default:
		return w.randomPod(r)
	}
}

func (w *world) randomNode(r *rand.Rand) string {
	name := fmt.Sprint("node-", r.IntN(4))
	old := w.view.Node(name)
	if old != nil && r.IntN(3) == 0 {
		w.change(old, nil)
		return "delete " + name
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(r.IntN(3)), 0))}}
	// Few networks, so that nodes claim the same, and small ones, so that they are exhausted.
	switch r.IntN(4) {
	case 0:
	case 1:
		n.Spec.PodCIDRs = []string{fmt.Sprintf("10.244.%d.0/29", r.IntN(3))}
	default:
		n.Spec.PodCIDRs = []string{fmt.Sprintf("10.244.%d.0/29", r.IntN(3)), fmt.Sprintf("fd00:10:244:%d::/64", r.IntN(3))}
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("172.30.0.%d", 10+r.IntN(3))}}
	if old == nil {
		w.change(nil, n)
	} else {
		w.change(old, n)
	}
	return fmt.Sprintf("set %s %v", name, n.Spec.PodCIDRs)
}

func (w *world) randomPod(r *rand.Rand) string {
	name := fmt.Sprint("pod-", r.IntN(12))
	old := w.view.Pod("ns", name)
	if old != nil && r.IntN(3) == 0 {
		w.change(old, nil)
		return "delete " + name
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(fmt.Sprint(r.IntN(3)))}}
	p.Spec.HostNetwork = r.IntN(8) == 0
	if n := r.IntN(5); n < 4 {
		p.Spec.NodeName = fmt.Sprint("node-", n)
	}
	p.Status.Phase = []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodRunning, corev1.PodSucceeded}[r.IntN(4)]
	if old == nil {
		w.change(nil, p)
	} else {
		w.change(old, p)
	}
	return fmt.Sprintf("set %s on %q %s", name, p.Spec.NodeName, p.Status.Phase)
}

func (w *world) randomService(r *rand.Rand) string {
	name := fmt.Sprint("svc-", r.IntN(3))
	old := w.view.Service("ns", name)
	if old != nil && r.IntN(3) == 0 {
		w.change(old, nil)
		return "delete " + name
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	s.Spec.ClusterIPs = []string{fmt.Sprint("10.96.0.", 1+r.IntN(3)), "fd00:10:96::1"}[:1+r.IntN(2)]
	s.Spec.Ports = []corev1.ServicePort{{Port: int32(80 + r.IntN(2)), Protocol: []corev1.Protocol{"TCP", "UDP"}[r.IntN(2)]}}
	if old == nil {
		w.change(nil, s)
	} else {
		w.change(old, s)
	}
	return "set " + name
}

func (w *world) randomSlice(r *rand.Rand) string {
	name := fmt.Sprint("slice-", r.IntN(4))
	var old kube.Object
	for i := range 3 {
		for _, s := range w.view.EndpointSlices("ns", fmt.Sprint("svc-", i)) {
			if s.Name == name {
				old = s
			}
		}
	}
	if old != nil && r.IntN(3) == 0 {
		w.change(old, nil)
		return "delete " + name
	}
	port, protocol := int32(8080), corev1.ProtocolTCP
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprint("svc-", r.IntN(3))}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: &port, Protocol: &protocol}},
	}
	for range r.IntN(3) {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprint("10.244.0.", r.IntN(5))}})
	}
	w.change(old, s)
	return "set " + name
}
