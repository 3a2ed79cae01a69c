package controller

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
	"github.com/woven-network/woven/test/child"
)

// ovn is a Northbound and a Southbound database with a northd between them.
type ovn struct{ northbound, southbound, dir string }

func startOVN(t *testing.T) ovn {
	t.Helper()
	northd := ovsdbtest.Program(t, "ovn-northd")
	o := ovn{northbound: ovsdbtest.Start(t, schema.Northbound).Remote, southbound: ovsdbtest.Start(t, schema.Southbound).Remote, dir: t.TempDir()}
	command := exec.Command(northd[0], append(northd[1:], "--ovnnb-db="+o.northbound, "--ovnsb-db="+o.southbound, "--unixctl=none", "--no-chdir")...)
	command.Env = o.environment()
	ended, err := child.Start(command)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	return o
}

func (o ovn) environment() []string {
	return append(os.Environ(), "OVS_RUNDIR="+o.dir, "OVN_RUNDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVN_LOGDIR="+o.dir)
}

func (o ovn) run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	line := ovsdbtest.Program(t, name)
	command := exec.Command(line[0], append(line[1:], arguments...)...)
	command.Env = o.environment()
	text, err := command.CombinedOutput()
	require.NoError(t, err, "%s %v:\n%s", name, arguments, text)
	return string(text)
}

// trace returns what becomes of a packet that enters a switch.
func (o ovn) trace(t *testing.T, logicalSwitch, flow string) string {
	t.Helper()
	// Each --ct is what one of the packet's passages through conntrack says, in their order.
	return o.run(t, "ovn-trace", "--db="+o.southbound, "--detailed", "--ct=new", "--ct=new", "--ct=new", "--ct=new", logicalSwitch, flow)
}

// fill makes a cluster of two nodes with a pod each, and two Services: one with pods, one with the API server.
func (w *world) fill() {
	for i, name := range []string{"a", "b"} {
		n := string(rune('1' + i))
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244." + n + ".0/24", "fd00:10:244:" + n + "::/64"}}}
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.1" + n}, {Type: corev1.NodeInternalIP, Address: "fd00:172:30::1" + n}}
		w.view.Set(node)
		w.view.Set(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "1"}, Spec: corev1.PodSpec{NodeName: name}})
		w.gateways.set(name, "row", nodelink.Gateway{
			MAC:       net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)},
			Addresses: []netip.Prefix{netip.MustParsePrefix("172.30.0.1" + n + "/24"), netip.MustParsePrefix("fd00:172:30::1" + n + "/64")},
			NextHops:  []netip.Addr{netip.MustParseAddr("172.30.0.1"), netip.MustParseAddr("fe80::1")},
		}.String())
	}
	tcp := corev1.ProtocolTCP
	for name, port := range map[string]int32{"web": 8080, "api": 6443} {
		v4, v6 := "10.96.0.10", "fd00:10:96::a"
		endpoints := []string{"10.244.2.3", "fd00:10:244:2::3"}
		if name == "api" {
			v4, v6 = "10.96.0.1", "fd00:10:96::1"
			endpoints = []string{"172.30.0.11", "fd00:172:30::11"}
		}
		w.view.Set(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: corev1.ServiceSpec{ClusterIPs: []string{v4, v6}, Ports: []corev1.ServicePort{{Port: 80}}}})
		for i, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			w.view.Set(&discoveryv1.EndpointSlice{
				ObjectMeta:  metav1.ObjectMeta{Namespace: "ns", Name: name + string(family), Labels: map[string]string{discoveryv1.LabelServiceName: name}},
				AddressType: family, Ports: []discoveryv1.EndpointPort{{Port: &port, Protocol: &tcp}},
				Endpoints: []discoveryv1.Endpoint{{Addresses: endpoints[i : i+1]}},
			})
		}
	}
}

// sync brings the Northbound database in accord with the world by a real engine.
func (w *world) sync(t *testing.T, northbound string) *nbsync.Engine {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	remote := w.config.OVN
	remote.Northbound = northbound
	target, err := ovsdb.Northbound(remote)
	require.NoError(t, err)
	client, err := ovsdb.Replicate(ctx, target, logr.Discard())
	require.NoError(t, err)
	engine, err := nbsync.New(nbsync.Options{Client: client, Prepare: w.prepare, Source: w.rows, Report: w.report, Priority: w.kinds.priority, Owners: w.owners, Log: logr.Discard()})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
		client.Close()
	})
	engine.Mark(w.owners()...)
	waiting, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	require.NoError(t, engine.Wait(waiting))
	return engine
}

// TestPathsThroughNorthd has a real northd compile the rows and follows packets through its logical flows. It shows
// which way a packet goes and how it is changed; that packets really arrive, the end-to-end tests show.
func TestPathsThroughNorthd(t *testing.T) {
	o := startOVN(t)
	w := newWorld(t)
	w.fill()
	engine := w.sync(t, o.northbound)
	plan, err := engine.Plan(t.Context())
	require.NoError(t, err)
	require.Empty(t, plan.String(), "a second translation is no operation")
	o.run(t, "ovn-nbctl", "--db="+o.northbound, "--wait=sb", "sync")

	const podA = "0a:58:0a:f4:01:03"
	const router = "0a:58:0a:f4:01:01"
	for _, c := range []struct {
		name, from, packet string
		through, output    string
		not                string
	}{
		{
			name: "pod to pod on another node", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 10.244.2.3 && ip.ttl == 64 && tcp.dst == 80",
			through: "lr_in_ip_routing", output: `output to "ns/b"`, not: "ct_snat(",
		},
		{
			name: "pod to its own node", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 172.30.0.11 && ip.ttl == 64 && tcp.dst == 10250",
			through: "priority 1004", output: `output to "a-host"`, not: "ct_snat(",
		},
		{
			name: "pod to another node", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 172.30.0.12 && ip.ttl == 64 && tcp.dst == 10250",
			through: "ct_snat(172.30.0.11)", output: `output to "ext_a_localnet"`,
		},
		{
			name: "pod to the world", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 198.51.100.1 && ip.ttl == 64 && tcp.dst == 443",
			through: "ct_snat(172.30.0.11)", output: `output to "ext_a_localnet"`,
		},
		{
			name: "pod to a Service with a pod on another node", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 10.96.0.10 && ip.ttl == 64 && tcp.dst == 80",
			through: "ct_lb_mark", output: `output to "ns/b"`, not: "ct_snat(",
		},
		{
			name: "pod to a Service with its own node", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 10.96.0.1 && ip.ttl == 64 && tcp.dst == 80",
			through: "priority 1004", output: `output to "a-host"`, not: "ct_snat(",
		},
		{
			name: "node to a Service with a pod", from: "a-host", packet: "ip4.src == 10.244.1.2 && ip4.dst == 10.96.0.10 && ip.ttl == 64 && tcp.dst == 80",
			through: "ct_lb_mark", output: `output to "ns/b"`, not: "ct_snat(",
		},
		{
			name: "node to a Service with itself", from: "a-host", packet: "ip4.src == 10.244.1.2 && ip4.dst == 10.96.0.1 && ip.ttl == 64 && tcp.dst == 80",
			// ovn-trace goes no further than a gateway router's un-SNAT.
			through: "priority 1005", output: `output to "gw-a_join_peer"`,
		},
		{
			name: "unused network of the cluster", from: "ns/a", packet: "ip4.src == 10.244.1.3 && ip4.dst == 10.96.7.7 && ip.ttl == 64 && tcp.dst == 80",
			through: "ct_snat(172.30.0.11)", output: `output to "ext_a_localnet"`,
		},
	} {
		for _, family := range []string{"IPv4", "IPv6"} {
			t.Run(c.name+" "+family, func(t *testing.T) {
				change := strings.NewReplacer()
				if family == "IPv6" {
					change = strings.NewReplacer("ip4", "ip6", "10.244.1.", "fd00:10:244:1::", "10.244.2.", "fd00:10:244:2::", "172.30.0.", "fd00:172:30::",
						"10.96.0.10", "fd00:10:96::a", "10.96.0.1", "fd00:10:96::1", "10.96.7.7", "fd00:10:96::77", "198.51.100.1", "2001:db8:64::1")
				}
				logicalSwitch, source := "a", podA
				if c.from == "a-host" {
					source = "0a:58:0a:f4:01:02"
				}
				flow := change.Replace(`inport == "` + c.from + `" && eth.src == ` + source + ` && eth.dst == ` + router + ` && ` + c.packet)
				text := o.trace(t, logicalSwitch, flow)
				through := change.Replace(c.through)
				if !strings.Contains(text, through) || !strings.Contains(text, c.output) || c.not != "" && strings.Contains(text, c.not) {
					t.Errorf("want %q, then %s, never %q; have\n%s", through, c.output, c.not, text)
				}
			})
		}
	}
}
