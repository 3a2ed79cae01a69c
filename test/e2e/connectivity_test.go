//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/plan"
)

// hostPort is where host-network pods serve, externalPort where the external host and the fabric do. They lie below
// the NodePort range and the ephemeral ports.
const hostPort, externalPort = 28080, 28090

// endpoint is something that sends and is sent to: a pod, a node or a host outside of the cluster.
type endpoint struct {
	place
	addrs []netip.Addr
	// node is the name of the node that it is or runs on; empty outside of the cluster.
	node string
	pod  bool
	// tcp and udp are the ports it serves on.
	tcp, udp uint16
}

// world are the endpoints of the connectivity matrix.
type world struct {
	pods, nodes []endpoint
	// external is a host on the underlay; remote is one behind the default route.
	external, remote endpoint
}

// testConnectivity sends from everywhere to everywhere, over both families, TCP and UDP, and asserts the client
// address that the server sees (docs/pipeline.md, "Proven paths").
func testConnectivity(t *testing.T) {
	w := newWorld(t)
	settle(t, w)
	var paths []path
	everything := slices.Concat(w.pods, w.nodes, []endpoint{w.external, w.remote})
	for _, from := range slices.Concat(w.pods, w.nodes) {
		for _, to := range everything {
			paths = append(paths, path{from, to})
		}
	}
	for _, to := range w.nodes {
		paths = append(paths, path{w.external, to})
	}
	checkPaths(t, paths)
}

// newWorld starts a pod on every node and a second one on the first worker, a host-network pod on every node, and
// servers on the hosts outside.
func newWorld(t *testing.T) world {
	t.Helper()
	ns := newNamespace(t)
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		pods = append(pods, netexec("pod-"+n.name, n.name), netexec("host-"+n.name, n.name, hostNetwork(hostPort)))
	}
	neighbour := workers()[0].name
	pods = append(pods, netexec("neighbour-"+neighbour, neighbour))
	var w world
	for _, pod := range run(t, ns, pods...) {
		if !pod.Spec.HostNetwork {
			w.pods = append(w.pods, podEndpoint(t, pod))
		}
	}
	for _, n := range cluster.nodes {
		w.nodes = append(w.nodes, endpoint{place: n.place(t), addrs: n.ips, node: n.name, tcp: hostPort, udp: hostPort})
	}
	sandbox := sandboxPlan(t)
	w.external = endpoint{place: machinePlace(t, plan.External), addrs: plan.Addrs(sandbox.External.Addresses), tcp: externalPort, udp: externalPort}
	serve(t, w.external.place, externalPort, w.external.addrs...)
	w.remote = endpoint{place: machinePlace(t, plan.Fabric), addrs: plan.Addrs(sandbox.Remote), tcp: externalPort, udp: externalPort}
	serve(t, w.remote.place, externalPort, w.remote.addrs...)
	return w
}

func podEndpoint(t *testing.T, pod *corev1.Pod) endpoint {
	t.Helper()
	return endpoint{place: podPlace(t, pod), addrs: addresses(t, pod), node: pod.Spec.NodeName, pod: true, tcp: httpPort, udp: udpPort}
}

// settle waits until every node reaches every pod: a pod is Ready when its own node has its flows, the other nodes
// have them a moment later.
func settle(t *testing.T, w world) {
	t.Helper()
	start := time.Now()
	for _, from := range w.nodes {
		for _, to := range w.pods {
			for _, addr := range to.addrs {
				askUntil(t, from.place, "tcp", netip.AddrPortFrom(addr, to.tcp), 20*time.Second, func(answer) bool { return true })
			}
		}
	}
	t.Logf("every node reached every pod within %s", time.Since(start).Round(time.Millisecond))
}

// path is a way that must work.
type path struct{ from, to endpoint }

// client is the address that the server must see. Pods and the nodes' ovn0 keep their address within the cluster's
// network and on their own node; everywhere else a pod has its node's address.
func (p path) client(v4 bool) netip.Addr {
	own, _ := of(p.from.addrs, v4)
	switch {
	case p.from.pod && (p.to.pod || p.to.node == p.from.node):
		return own
	case p.from.pod:
		ip, _ := of(nodeNamed(p.from.node).ips, v4)
		return ip
	case p.from.node != "" && p.to.pod:
		ip, _ := of(nodeNamed(p.from.node).ovn0, v4)
		return ip
	default:
		return own
	}
}

func nodeNamed(name string) node {
	for _, n := range cluster.nodes {
		if n.name == name {
			return n
		}
	}
	panic("no node " + name)
}

// try is one question along a path.
type try struct {
	path
	protocol string
	v4       bool
	answer   answer
	err      error
}

func (r try) String() string {
	return fmt.Sprintf("%-24s -> %-24s %s %s:", r.from.name, r.to.name, r.protocol, familyName(r.v4))
}

// checkPaths tries all paths over both families and protocols. When one fails, it also tells of those that work. A UDP question that is
// lost fails the test, unless the machine's own queues lost packets meanwhile (queueDrops): then it is asked once more. A
// TCP handshake may repeat within askTimeout.
func checkPaths(t *testing.T, paths []path) {
	t.Helper()
	var tries []*try
	for _, p := range paths {
		for _, v4 := range families() {
			for _, protocol := range []string{"tcp", "udp"} {
				tries = append(tries, &try{path: p, protocol: protocol, v4: v4})
			}
		}
	}
	queues := queueDrops(t, cluster.nodes...)
	askAll(t, tries)
	if dropped := newDrops(queues, queueDrops(t, cluster.nodes...)); dropped > 0 {
		again := slices.DeleteFunc(slices.Clone(tries), func(r *try) bool { return r.err == nil })
		t.Logf("this machine was too slow for %d packets in the queues of the userspace datapath; %d questions are asked again", dropped, len(again))
		askAll(t, again)
	}
	var lines []string
	slowest := tries[0]
	for _, r := range tries {
		want := r.client(r.v4)
		switch {
		case r.err != nil:
			t.Errorf("%s no answer: %v", r, r.err)
		case r.answer.client != want:
			t.Errorf("%s the server saw %s, not %s", r, r.answer.client, want)
		default:
			if r.answer.took > slowest.answer.took {
				slowest = r
			}
			lines = append(lines, fmt.Sprintf("%s saw %-20s %s", r, r.answer.client, r.answer.took.Round(10*time.Microsecond)))
		}
	}
	t.Logf("%d of %d paths work; the slowest: %s %s", len(lines), len(tries), slowest, slowest.answer.took.Round(10*time.Microsecond))
	if len(lines) < len(tries) {
		slices.Sort(lines)
		t.Logf("these work:\n%s", strings.Join(lines, "\n"))
	}
}

// askAll asks some questions at a time.
func askAll(t *testing.T, tries []*try) {
	t.Helper()
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, r := range tries {
		to, ok := of(r.to.addrs, r.v4)
		require.Truef(t, ok, "%s has no %s address", r.to.name, familyName(r.v4))
		port := r.to.tcp
		if r.protocol == "udp" {
			port = r.to.udp
		}
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r.answer, r.err = ask(t.Context(), r.from.place, r.protocol, netip.AddrPortFrom(to, port))
		})
	}
	group.Wait()
}
