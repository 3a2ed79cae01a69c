//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testDNS asks the cluster's DNS for kubernetes.default from pods, host-network pods and nodes: A and AAAA, over UDP
// and TCP, at the IPv4 and IPv6 address of the DNS Service; and by the pod's own resolv.conf.
func testDNS(t *testing.T) {
	ns := newNamespace(t)
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		pods = append(pods, netexec("dns-"+n.name, n.name), netexec("dns-host-"+n.name, n.name, hostNetwork(0), idle))
	}
	// AAAA needs a Service of both families; "kubernetes" has one only.
	dual := newService(t, ns, "dual", map[string]string{"app": pods[0].Name}, httpPort, udpPort)
	ready := run(t, ns, pods...)
	servers := clusterIPs(t, dnsService(t))
	require.Len(t, servers, len(families()), "the DNS Service has an address of each family")
	kubernetes, err := cluster.client.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	names := map[string][]netip.Addr{
		"kubernetes.default.svc.cluster.local.": clusterIPs(t, kubernetes),
		"dual." + ns + ".svc.cluster.local.":    clusterIPs(t, dual),
	}
	for _, pod := range ready {
		from := podPlace(t, pod)
		for _, server := range servers {
			for _, protocol := range []string{"udp", "tcp"} {
				for name, want := range names {
					lookUp(t, from, server, protocol, name, want)
				}
			}
		}
		checkResolvConf(t, pod, servers, kubernetes.Spec.ClusterIP)
	}
}

func dnsService(t *testing.T) *corev1.Service {
	t.Helper()
	list, err := cluster.client.CoreV1().Services("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "one Service in kube-system is labelled k8s-app=kube-dns")
	return &list.Items[0]
}

// lookUp asks one server by one protocol for a name's addresses of both families.
func lookUp(t *testing.T, from place, server netip.Addr, protocol, name string, want []netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return from.dial(ctx, protocol, netip.AddrPortFrom(server, 53).String())
	}}
	start := time.Now()
	got, err := resolver.LookupNetIP(ctx, "ip", name)
	what := fmt.Sprintf("%s: %s at %s by %s", from.name, name, server, protocol)
	if !assert.NoError(t, err, what) {
		return
	}
	for i := range got {
		got[i] = got[i].Unmap()
	}
	assert.ElementsMatch(t, want, got, what)
	t.Logf("%s: %s in %s", what, got, time.Since(start).Round(100*time.Microsecond))
}

// checkResolvConf asserts what kubelet gave the pod, and that the pod's own libc resolves by it.
func checkResolvConf(t *testing.T, pod *corev1.Pod, servers []netip.Addr, kubernetes string) {
	t.Helper()
	conf := execIn(t, pod, "cat", "/etc/resolv.conf")
	first, _, _ := strings.Cut(conf, "\n")
	for line := range strings.Lines(conf) {
		if strings.HasPrefix(line, "nameserver") {
			first = line
			break
		}
	}
	assert.Equalf(t, "nameserver "+servers[0].String(), strings.TrimSpace(first), "resolv.conf of %s", pod.Name)
	out := execIn(t, pod, "getent", "ahosts", "kubernetes.default")
	assert.Containsf(t, out, kubernetes, "%s: getent ahosts kubernetes.default", pod.Name)
}
