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

// checkPaths tries all paths over both families and protocols and prints a line for each. A UDP question that is
// lost fails the test; a TCP handshake may repeat within askTimeout.
func checkPaths(t *testing.T, paths []path) {
	t.Helper()
	type result struct{ line, failure string }
	var results []result
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, p := range paths {
		for _, v4 := range families() {
			for _, protocol := range []string{"tcp", "udp"} {
				to, ok := of(p.to.addrs, v4)
				require.Truef(t, ok, "%s has no %s address", p.to.name, familyName(v4))
				port := p.to.tcp
				if protocol == "udp" {
					port = p.to.udp
				}
				group.Go(func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					a, err := ask(t.Context(), p.from.place, protocol, netip.AddrPortFrom(to, port))
					r := result{line: fmt.Sprintf("%-24s -> %-24s %s %s: ", p.from.name, p.to.name, protocol, familyName(v4))}
					switch want := p.client(v4); {
					case err != nil:
						r.failure = fmt.Sprintf("no answer: %v", err)
					case a.client != want:
						r.failure = fmt.Sprintf("the server saw %s, not %s", a.client, want)
					default:
						r.line += fmt.Sprintf("saw %-20s %s", a.client, a.took.Round(10*time.Microsecond))
					}
					mu.Lock()
					defer mu.Unlock()
					results = append(results, r)
				})
			}
		}
	}
	group.Wait()
	slices.SortFunc(results, func(a, b result) int { return strings.Compare(a.line, b.line) })
	failures := 0
	var lines []string
	for _, r := range results {
		if r.failure != "" {
			failures++
			t.Errorf("%s%s", r.line, r.failure)
		}
		lines = append(lines, r.line)
	}
	t.Logf("%d of %d paths work\n%s", len(results)-failures, len(results), strings.Join(lines, "\n"))
}
