package hostnet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/golden"
)

// String shows a plan as the commands of ip(8).
func (p Plan) String() string {
	var b strings.Builder
	for _, a := range p.Addresses {
		fmt.Fprintf(&b, "ip address add %s dev ovn0\n", a)
	}
	for _, r := range p.Routes {
		switch {
		case r.drops:
			fmt.Fprintf(&b, "ip route add blackhole %s table %d proto %d\n", r.dst, r.table, kernel.Protocol)
		case r.onlink:
			fmt.Fprintf(&b, "ip route add %s via %s dev ovn0 onlink src %s table %d proto %d\n", r.dst, r.via, r.source, r.table, kernel.Protocol)
		default:
			fmt.Fprintf(&b, "ip route add %s via %s dev ovn0 src %s table %d proto %d\n", r.dst, r.via, r.source, r.table, kernel.Protocol)
		}
	}
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "ip -%d rule add pref %d", map[int]int{netlink.FAMILY_V4: 4, netlink.FAMILY_V6: 6}[r.family], r.priority)
		if r.not {
			b.WriteString(" not")
		}
		fmt.Fprintf(&b, " iif %s", r.incoming)
		if r.to.IsValid() {
			fmt.Fprintf(&b, " to %s ipproto %d", r.to, r.protocol)
		}
		if r.ports.First != 0 {
			fmt.Fprintf(&b, " dport %d-%d", r.ports.First, r.ports.Last)
		}
		if r.from.First != 0 {
			fmt.Fprintf(&b, " sport %d-%d", r.from.First, r.from.Last)
		}
		fmt.Fprintf(&b, " lookup %d\n", r.table)
	}
	for _, a := range p.Aliases {
		fmt.Fprintf(&b, "ip address add %s dev br-ex\n", a)
	}
	for _, a := range p.Neighbours {
		fmt.Fprintf(&b, "ip neighbour add %s dev br-ex nud permanent\n", a)
	}
	return b.String()
}

func TestPlanHost(t *testing.T) {
	h, err := southbound.HostPortOf(hostBinding())
	require.NoError(t, err)
	c := parsed(t)
	ips := []netip.Addr{addr("192.0.2.11"), addr("2001:db8::b")}
	golden.Compare(t, "host-dual-stack", PlanHost(h.Addresses, h.Subnets, ips, c).String())
	only4 := h
	only4.Addresses, only4.Subnets = h.Addresses[:1], h.Subnets[:1]
	golden.Compare(t, "host-ipv4", PlanHost(only4.Addresses, only4.Subnets, ips[:1], c).String())
	only6 := h
	only6.Addresses, only6.Subnets = h.Addresses[1:], h.Subnets[1:]
	golden.Compare(t, "host-ipv6", PlanHost(only6.Addresses, only6.Subnets, ips[1:], c).String())
}
