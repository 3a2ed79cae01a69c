package kernel

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func via(dst, gateway string, metric int) Route {
	return Route{Dst: prefixP(dst), Gateway: addr(gateway), Table: MainTable, Metric: metric, Protocol: unix.RTPROT_STATIC}
}

func TestRoutesToLinksComeBeforeRoutesByGateways(t *testing.T) {
	onLink := Route{Dst: prefixP("192.0.2.1/32"), Table: MainTable, Scope: unix.RT_SCOPE_LINK}
	s := State{Routes: []Route{via("0.0.0.0/0", "192.0.2.1", 100), via("10.0.0.0/8", "192.0.2.1", 0), onLink}}.sorted()
	require.Equal(t, onLink, s.Routes[0])
}

func TestNextHopsAreTheBestOfEachFamily(t *testing.T) {
	s := State{Routes: []Route{
		via("0.0.0.0/0", "192.0.2.9", 200), via("0.0.0.0/0", "192.0.2.1", 100), via("10.0.0.0/8", "192.0.2.8", 0),
		{Dst: prefixP("::/0"), Table: MainTable, Hops: []Hop{{Gateway: addr("2001:db8::1")}, {Gateway: addr("2001:db8::2")}}},
		{Dst: prefixP("0.0.0.0/0"), Gateway: addr("192.0.2.7"), Table: 100},
	}}
	require.Equal(t, []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}, s.NextHops())
	require.Empty(t, State{}.NextHops())
}

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }
