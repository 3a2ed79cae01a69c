//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// serviceTimeout is how long a new Service may take until a node's flows have all of its backends.
const serviceTimeout = 20 * time.Second

// serviceHostPort is where the host-network backends serve.
const serviceHostPort = 28180

// testServices asks ClusterIPs from pods and nodes until every backend has answered, over both families, TCP and
// UDP, and asserts the client address that each backend sees (docs/pipeline.md, "Proven paths").
func testServices(t *testing.T) {
	ns := newNamespace(t)
	first, second := workers()[0].name, workers()[1].name
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		pods = append(pods, netexec("host-"+n.name, n.name, hostNetwork(serviceHostPort), labelled("backend", "host")))
	}
	pods = append(pods,
		netexec("a", first, labelled("backend", "pods")),
		netexec("b", second, labelled("backend", "pods")),
		netexec("alone", first),
		netexec("client", controlPlane().name))
	byName := map[string]*corev1.Pod{}
	for _, pod := range run(t, ns, pods...) {
		byName[pod.Name] = pod
	}
	onPods := newService(t, ns, "pods", map[string]string{"backend": "pods"}, httpPort, udpPort)
	onHosts := newService(t, ns, "hosts", map[string]string{"backend": "host"}, serviceHostPort, serviceHostPort)
	onItself := newService(t, ns, "alone", map[string]string{"app": "alone"}, httpPort, udpPort)

	var clients []endpoint
	for _, name := range []string{"a", "b", "alone", "client"} {
		clients = append(clients, podEndpoint(t, byName[name]))
	}
	for _, n := range cluster.nodes {
		clients = append(clients, endpoint{place: n.place(t), addrs: n.ips, node: n.name})
	}
	t.Run("pod-backends", func(t *testing.T) {
		backends := []endpoint{podEndpoint(t, byName["a"]), podEndpoint(t, byName["b"])}
		checkService(t, clients, onPods, backends)
	})
	t.Run("host-network-backends", func(t *testing.T) {
		var backends []endpoint
		for _, n := range cluster.nodes {
			backends = append(backends, endpoint{place: n.place(t), addrs: n.ips, node: n.name})
		}
		checkService(t, clients, onHosts, backends)
	})
	t.Run("hairpin", func(t *testing.T) {
		itself := []endpoint{podEndpoint(t, byName["alone"])}
		checkService(t, itself, onItself, itself)
	})
	t.Run("no-backend", func(t *testing.T) {
		checkRefused(t, clients, newService(t, ns, "nobody", map[string]string{"app": "nobody"}, httpPort, udpPort))
	})
	t.Run("removed-backend", func(t *testing.T) { checkRemovedBackend(t, byName["b"], clients, onPods) })
}

// checkService asks from every client until each backend has answered, and once more for the client address.
func checkService(t *testing.T, clients []endpoint, s *corev1.Service, backends []endpoint) {
	t.Helper()
	ips := clusterIPs(t, s)
	require.Len(t, ips, len(families()), "the Service has an address of each family")
	var mu sync.Mutex
	var lines []string
	var group sync.WaitGroup
	for _, from := range clients {
		for _, vip := range ips {
			for _, protocol := range []string{"tcp", "udp"} {
				group.Go(func() {
					line := askBackends(t, from, vip, protocol, backends)
					mu.Lock()
					defer mu.Unlock()
					lines = append(lines, line)
				})
			}
		}
	}
	group.Wait()
	slices.Sort(lines)
	t.Logf("Service %s\n%s", s.Name, strings.Join(lines, "\n"))
}

// askBackends asks one ClusterIP until all backends answered with the expected client address. It may be called
// from any goroutine: it marks the test as failed without ending it.
func askBackends(t *testing.T, from endpoint, vip netip.Addr, protocol string, backends []endpoint) string {
	to := netip.AddrPortFrom(vip, 80)
	if protocol == "udp" {
		to = netip.AddrPortFrom(vip, 81)
	}
	line := fmt.Sprintf("%-22s -> %s %s:", from.name, to, protocol)
	ctx, cancel := context.WithTimeout(t.Context(), serviceTimeout)
	defer cancel()
	missing := map[string]endpoint{}
	for _, b := range backends {
		missing[b.name] = b
	}
	failed := 0
	var last error
	asked := 0
	for len(missing) > 0 && ctx.Err() == nil {
		asked++
		a, err := ask(ctx, from.place, protocol, to)
		if err != nil {
			failed++
			last = err
			continue
		}
		b, ok := missing[a.server]
		if !ok {
			continue // it has answered before
		}
		delete(missing, a.server)
		want := serviceClient(from, b, vip)
		if assert.Containsf(t, want, a.client, "%s %s sees the wrong client", line, a.server) {
			line += fmt.Sprintf(" %s saw %s;", a.server, a.client)
		}
	}
	for name := range missing {
		t.Errorf("%s backend %s gave no answer within %s: %d questions, %d of them failed, last %v", line, name, serviceTimeout, asked, failed, last)
	}
	return line
}

// serviceClient are the client addresses that a backend may see.
func serviceClient(from, backend endpoint, vip netip.Addr) []netip.Addr {
	v4 := vip.Is4()
	p := path{from, backend}
	switch {
	case from.pod && from.name == backend.name:
		return []netip.Addr{hairpin(v4)}
	case !from.pod && from.node == backend.node && !backend.pod:
		return []netip.Addr{alias(v4)}
	default:
		return []netip.Addr{p.client(v4)}
	}
}

// wovenConfig is the configuration that the cluster's Woven runs with.
var wovenConfig = sync.OnceValues(func() (*config.Parsed, error) {
	object, err := cluster.client.CoreV1().ConfigMaps(system).Get(context.Background(), "woven-config", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return config.Parse([]byte(object.Data["config.yaml"]))
})

// alias is the gateway router's own link-local address, which a host sees that talks to itself through a Service.
func alias(v4 bool) netip.Addr {
	c := mustConfig()
	for _, p := range c.Alias {
		if p.Addr().Is4() == v4 {
			return p.Addr().Next()
		}
	}
	return netip.Addr{}
}

// hairpin is what a pod sees that reaches itself through a Service: link-local, so that no policy and no log takes
// the Service itself for the client.
func hairpin(v4 bool) netip.Addr {
	a, _ := of(topology.HairpinAddresses(mustConfig()), v4)
	return a
}

func mustConfig() *config.Parsed {
	c, err := wovenConfig()
	if err != nil {
		panic(err)
	}
	return c
}

// checkRefused asserts that a Service without endpoints refuses a connection at once, as a closed port does, from pods
// and from nodes. As long as a node does not know the Service, the question runs into its deadline.
func checkRefused(t *testing.T, clients []endpoint, s *corev1.Service) {
	t.Helper()
	for _, from := range clients {
		for _, vip := range clusterIPs(t, s) {
			to := netip.AddrPortFrom(vip, 80)
			var last error
			err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, serviceTimeout, true, func(ctx context.Context) (bool, error) {
				_, last = ask(ctx, from.place, "tcp", to)
				return errors.Is(last, unix.ECONNREFUSED), nil
			})
			assert.NoErrorf(t, err, "%s -> %s, which has no endpoints, is not refused but: %v", from.name, to, last)
		}
	}
}

// checkRemovedBackend takes one of two backends away and asks on: all answers come from the other.
func checkRemovedBackend(t *testing.T, gone *corev1.Pod, clients []endpoint, s *corev1.Service) {
	t.Helper()
	remove(t, gone)
	for _, from := range clients {
		if from.name == gone.Name {
			continue
		}
		for _, vip := range clusterIPs(t, s) {
			to := netip.AddrPortFrom(vip, 80)
			start := time.Now()
			_, asked := askUntil(t, from.place, "tcp", to, serviceTimeout, func(a answer) bool { return a.server != gone.Name })
			if asked > 1 {
				t.Logf("%s -> %s needed %d questions and %s until the other backend answered", from.name, to, asked, time.Since(start).Round(time.Millisecond))
			}
			for range 5 {
				a, err := ask(t.Context(), from.place, "tcp", to)
				if assert.NoErrorf(t, err, "%s -> %s after %s is gone", from.name, to, gone.Name) {
					assert.NotEqualf(t, gone.Name, a.server, "%s -> %s", from.name, to)
				}
			}
		}
	}
}
