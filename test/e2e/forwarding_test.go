//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/test/sandbox/plan"
)

// routedPort is where what is routed past OVN would arrive.
const routedPort = 28310

// testForwarding asserts that a node is no router: neither between the underlay and pods or Services, nor for a pod
// that hands its packets to the node's own interface instead of to OVN's router.
func testForwarding(t *testing.T) {
	ns := newNamespace(t)
	here := workers()[0]
	pod := run(t, ns, netexec("inside", here.name))[0]
	service := newService(t, ns, "inside", map[string]string{"app": "inside"}, routedPort, routedPort)
	awaitService(t, service)
	external := machinePlace(t, plan.External)

	t.Run("from-the-underlay", func(t *testing.T) {
		box, onNode := newInbox(t, podPlace(t, pod), routedPort), newInbox(t, here.place(t), routedPort)
		send := func(round int) {
			for _, v4 := range families() {
				addr, _ := of(addresses(t, pod), v4)
				vip, _ := of(clusterIPs(t, service), v4)
				ovn0, _ := of(here.ovn0, v4)
				post(t, external, netip.AddrPortFrom(addr, routedPort), []byte("routed to the pod, "+familyName(v4)))
				post(t, external, netip.AddrPortFrom(vip, 81), []byte("routed to the Service, "+familyName(v4)))
				// What comes after them by the same wire, and then to the same pod, is there: so they would be.
				ip, _ := of(here.ips, v4)
				outside := fmt.Sprint("from outside ", familyName(v4), round)
				post(t, external, netip.AddrPortFrom(ip, routedPort), []byte(outside))
				_, ok := onNode.await(outside, 5*time.Second)
				require.True(t, ok, "the node does not hear the external host: this test would prove nothing")
				inside := fmt.Sprint("from the node ", familyName(v4), round)
				post(t, here.place(t), netip.AddrPortFrom(addr, routedPort), []byte(inside))
				from, ok := box.await(inside, 5*time.Second)
				require.Truef(t, ok, "%s does not hear its own node: this test would prove nothing", pod.Name)
				require.Equal(t, ovn0, from)
			}
		}
		routed(t, external, podsAndServices(here), func() {
			for round := range forgedRounds {
				send(round)
			}
		})
		for _, v4 := range families() {
			for _, to := range []string{"the pod", "the Service"} {
				assert.Emptyf(t, box.senders("routed to "+to+", "+familyName(v4)), "senders on the underlay, to %s, %s", to, familyName(v4))
			}
		}
	})

	t.Run("around-ovn", func(t *testing.T) {
		box := newInbox(t, external, routedPort)
		for _, v4 := range families() {
			ovn0, _ := of(here.ovn0, v4)
			to, _ := of(plan.Addrs(sandboxPlan(t).External.Addresses), v4)
			around, straight := "around OVN, "+familyName(v4), "straight, "+familyName(v4)
			node, _ := of(here.ips, v4)
			for round := range forgedRounds {
				routed(t, podPlace(t, pod), hops{netip.PrefixFrom(to, to.BitLen()): ovn0}, func() {
					post(t, podPlace(t, pod), netip.AddrPortFrom(to, routedPort), []byte(around))
				})
				post(t, podPlace(t, pod), netip.AddrPortFrom(to, routedPort), []byte(fmt.Sprint(straight, round)))
				from, ok := box.await(fmt.Sprint(straight, round), 5*time.Second)
				require.True(t, ok, "the pod does not reach the outside: this test would prove nothing")
				require.Equal(t, node, from)
			}
			assert.Emptyf(t, box.senders(around), "what a pod sent to the outside by way of its node's ovn0, %s", familyName(v4))
		}
	})
}

// testForwardingOpen sets `forwarding: open` for one node: a host on the underlay that routes to it reaches the node's
// pods and Services, and pods see its own address.
func testForwardingOpen(t *testing.T) {
	ns := newNamespace(t)
	here := workers()[0]
	pod := run(t, ns, netexec("inside", here.name))[0]
	service := newService(t, ns, "inside", map[string]string{"app": "inside"}, httpPort, udpPort)
	external := machinePlace(t, plan.External)
	undo := configure(t, here, "forwarding: open")
	defer undo()
	awaitService(t, service)
	routed(t, external, podsAndServices(here), func() {
		for _, v4 := range families() {
			addr, _ := of(addresses(t, pod), v4)
			vip, _ := of(clusterIPs(t, service), v4)
			own, _ := of(plan.Addrs(sandboxPlan(t).External.Addresses), v4)
			for protocol, ports := range map[string][2]uint16{"tcp": {httpPort, 80}, "udp": {udpPort, 81}} {
				a, err := ask(t.Context(), external, protocol, netip.AddrPortFrom(addr, ports[0]))
				if assert.NoErrorf(t, err, "external -> pod, %s, %s", protocol, familyName(v4)) {
					assert.Equalf(t, own, a.client, "external -> pod, %s", protocol)
				}
				a, err = ask(t.Context(), external, protocol, netip.AddrPortFrom(vip, ports[1]))
				if assert.NoErrorf(t, err, "external -> Service, %s, %s", protocol, familyName(v4)) {
					assert.Equal(t, pod.Name, a.server)
				}
			}
		}
	})
}

// hops maps a destination to the address of its next hop.
type hops map[netip.Prefix]netip.Addr

// podsAndServices leads to the node's pods and to all Services by the node.
func podsAndServices(n node) hops {
	to := hops{}
	for _, v4 := range families() {
		ip, _ := of(n.ips, v4)
		ovn0, _ := of(n.ovn0, v4)
		bits := 64
		if v4 {
			bits = 24
		}
		to[netip.PrefixFrom(ovn0, bits).Masked()] = ip
		for _, s := range mustConfig().Service {
			if s.Addr().Is4() == v4 {
				to[s] = ip
			}
		}
	}
	return to
}

// routed gives a place routes over its eth0 while f runs.
func routed(t *testing.T, at place, to hops, f func()) {
	t.Helper()
	change := func(do func(*netlink.Route) error) error {
		return at.do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			for dst, hop := range to {
				route := &netlink.Route{
					LinkIndex: link.Attrs().Index, Gw: hop.AsSlice(),
					Dst: &net.IPNet{IP: dst.Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen())},
				}
				if err := do(route); err != nil {
					return fmt.Errorf("route %s via %s: %w", dst, hop, err)
				}
			}
			return nil
		})
	}
	require.NoError(t, change(netlink.RouteReplace), at.name)
	defer func() { assert.NoError(t, change(netlink.RouteDel), at.name) }()
	f()
}

// configure adds a line to Woven's configuration and restarts a node's agent with it. Undo puts both back.
func configure(t *testing.T, n node, line string) (undo func()) {
	t.Helper()
	remove := editConfiguration(t, line)
	replacePod(t, "woven-node", n.name)
	return func() {
		remove()
		replacePod(t, "woven-node", n.name)
	}
}

// editConfiguration adds a line to Woven's configuration. Programs read it when they start.
func editConfiguration(t *testing.T, line string) (remove func()) {
	t.Helper()
	maps := cluster.client.CoreV1().ConfigMaps(system)
	edit := func(change func(text string) string) {
		have, err := maps.Get(t.Context(), "woven-config", metav1.GetOptions{})
		require.NoError(t, err)
		have.Data["config.yaml"] = change(have.Data["config.yaml"])
		_, err = maps.Update(t.Context(), have, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	added := "\n" + line + "\n"
	edit(func(text string) string { return text + added })
	return func() { edit(func(text string) string { return strings.Replace(text, added, "", 1) }) }
}
