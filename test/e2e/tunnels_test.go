//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/plan"
)

// forgedPort is where a pod listens for what is forged; inner sources are addresses that no pod has.
const forgedPort = 28300

var forgedSource = map[bool]netip.Addr{true: netip.MustParseAddr("10.244.9.99"), false: netip.MustParseAddr("fd00:10:244:9::99")}

// forgedRounds is how often each packet is forged. After each round a packet of the same form comes from a node itself,
// which is a chassis: it has to arrive, so the others were well-formed and had the time to arrive, too.
const forgedRounds = 8

// testTunnels sends forged tunnel packets of every kind: no pod, and no host that is no chassis, gets a packet into an
// OVN tunnel, whatever address of a node it sends to.
func testTunnels(t *testing.T) {
	ns := newNamespace(t)
	here, there := workers()[0], workers()[1]
	pods := run(t, ns, netexec("victim", here.name), netexec("neighbour", here.name), netexec("forger", there.name))
	victim, neighbour, forger := pods[0], pods[1], pods[2]
	external := machinePlace(t, plan.External)

	type way struct {
		name string
		from place
		to   netip.AddrPort
	}
	var ways []way
	for _, v4 := range families() {
		f := familyName(v4)
		ip, _ := of(here.ips, v4)
		ovn0, _ := of(here.ovn0, v4)
		vip := newServiceTo(t, ns, "tunnel-"+map[bool]string{true: "4", false: "6"}[v4], corev1.ProtocolUDP, 5000, netip.AddrPortFrom(ip, genevePort))
		for _, from := range []place{podPlace(t, forger), podPlace(t, neighbour)} {
			ways = append(ways,
				way{"to the node's address, " + f, from, netip.AddrPortFrom(ip, genevePort)},
				way{"to the node's ovn0, " + f, from, netip.AddrPortFrom(ovn0, genevePort)},
				way{"by a Service, " + f, from, vip},
				way{"to the host's alias, " + f, from, netip.AddrPortFrom(alias(v4).Next(), genevePort)})
		}
		ways = append(ways, way{"from outside, " + f, external, netip.AddrPortFrom(ip, genevePort)})
	}
	box := newInbox(t, podPlace(t, victim), forgedPort)
	addr := addresses(t, victim)[0]
	to, source := overlayOf(t, victim, addr), forgedSource[addr.Is4()]
	// The agent gives tunnels the node's first address.
	tunnel := netip.AddrPortFrom(here.ips[0], genevePort)
	for round := range forgedRounds {
		for i, w := range ways {
			post(t, w.from, w.to, to.packet(source, forgedPort, fmt.Sprint("forged ", i)))
		}
		genuine := fmt.Sprint("genuine ", round)
		post(t, there.place(t), tunnel, to.packet(source, forgedPort, genuine))
		from, ok := box.await(genuine, 5*time.Second)
		require.Truef(t, ok, "a well-formed packet of a chassis did not come: this test would prove nothing")
		require.Equal(t, source, from)
	}
	for i, w := range ways {
		assert.Emptyf(t, box.senders(fmt.Sprint("forged ", i)), "%s %s: forged packets that the victim got, by their forged source", w.from.name, w.name)
	}
}
