package ipam_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
)

func prefixes(texts ...string) (ps []netip.Prefix) {
	for _, t := range texts {
		ps = append(ps, netip.MustParsePrefix(t))
	}
	return ps
}

func addresses(texts ...string) (as []netip.Addr) {
	for _, t := range texts {
		as = append(as, netip.MustParseAddr(t))
	}
	return as
}

func TestPlan(t *testing.T) {
	v4, v6 := netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:10:244:1::/64")
	assert.Equal(t, "10.244.1.1", ipam.Router(v4).String())
	assert.Equal(t, "10.244.1.2", ipam.Host(v4).String())
	assert.Equal(t, "fd00:10:244:1::2", ipam.Host(v6).String())
	assert.Equal(t, "10.244.2.0", ipam.Nth(netip.MustParsePrefix("10.244.0.0/16"), 512).String())
	assert.False(t, ipam.Nth(v4, 256).IsValid())
	assert.Equal(t, "0a:58:0a:f4:01:05", ipam.MAC(addresses("fd00::7", "10.244.1.5")...).String())
	assert.Equal(t, "0a:58:00:01:00:07", ipam.MAC(addresses("fd00::1:7")...).String())
	assert.Nil(t, ipam.MAC())
}

func TestAllocateDualStack(t *testing.T) {
	a := ipam.NewAllocator[string]()
	subnets := prefixes("10.244.1.0/24", "fd00:10:244:1::/64")
	got, err := a.Allocate("default/a", subnets)
	require.NoError(t, err)
	assert.Equal(t, addresses("10.244.1.3", "fd00:10:244:1::3"), got)
	again, err := a.Allocate("default/a", subnets)
	require.NoError(t, err)
	assert.Equal(t, got, again, "asking again changes nothing")

	a.Release("default/a")
	next, err := a.Allocate("default/b", subnets)
	require.NoError(t, err)
	assert.Equal(t, addresses("10.244.1.4", "fd00:10:244:1::4"), next, "a free address rests before it is used again")

	moved, err := a.Allocate("default/b", prefixes("10.244.9.0/24"))
	require.NoError(t, err)
	assert.Equal(t, addresses("10.244.9.3"), moved, "an address outside of the networks is not kept")
	assert.Equal(t, moved, a.Held("default/b"))
}

func TestExhaustedIsClearAndTakesNothing(t *testing.T) {
	a := ipam.NewAllocator[string]()
	small := prefixes("10.0.0.0/29", "fd00::/64") // .3 to .6
	for i := range 4 {
		_, err := a.Allocate(fmt.Sprint(i), small)
		require.NoError(t, err)
	}
	_, err := a.Allocate("late", small)
	assert.ErrorAs(t, err, &ipam.Exhausted{})
	assert.ErrorContains(t, err, "subnet 10.0.0.0/29 exhausted")
	assert.Empty(t, a.Held("late"))
	a.Release("2")
	got, err := a.Allocate("late", small)
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.5", got[0].String())
	for _, none := range []string{"10.0.0.0/30", "10.0.0.0/31", "10.0.0.0/32", "fd00::/127"} {
		_, err := a.Allocate("x", prefixes(none))
		assert.ErrorAs(t, err, &ipam.Exhausted{}, none)
	}
}

func TestClaim(t *testing.T) {
	a := ipam.NewAllocator[string]()
	require.NoError(t, a.Claim("ns/status", addresses("10.244.1.9")[0]))
	require.NoError(t, a.Claim("ns/status", addresses("10.244.1.5")[0]), "the first word of a family holds")
	require.NoError(t, a.Claim("ns/status", addresses("fd00::9")[0]))
	assert.Equal(t, addresses("10.244.1.9", "fd00::9"), a.Held("ns/status"))
	assert.Equal(t, ipam.Taken{Address: addresses("10.244.1.9")[0], Holder: "ns/status"}, a.Claim("ns/row", addresses("10.244.1.9")[0]))
	require.NoError(t, a.Claim("ns/row", addresses("10.244.1.5")[0]))
	got, err := a.Allocate("ns/row", prefixes("10.244.1.0/24", "fd00::/64"))
	require.NoError(t, err)
	assert.Equal(t, addresses("10.244.1.5", "fd00::3"), got)
}

// TestRandomOperationsKeepTheInvariants plays a long random game against a plain model: no address has two holders,
// none is reserved or outside of its network, a holder keeps what it has, and the network is exhausted only when
// it is full.
func TestRandomOperationsKeepTheInvariants(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		subnets := prefixes("192.0.2.0/27", "2001:db8::/123")
		first := map[bool]netip.Addr{true: ipam.Nth(subnets[0], 3), false: ipam.Nth(subnets[1], 3)}
		last := map[bool]netip.Addr{true: ipam.Nth(subnets[0], 30), false: ipam.Nth(subnets[1], 31)}
		a, model := ipam.NewAllocator[string](), map[string][]netip.Addr{}
		for range 400 {
			holder := fmt.Sprint("ns/", r.IntN(40))
			switch r.IntN(4) {
			case 0:
				a.Release(holder)
				delete(model, holder)
			case 1:
				address := ipam.Nth(subnets[r.IntN(2)], uint32(3+r.IntN(27)))
				if err := a.Claim(holder, address); err != nil {
					continue
				}
				had := false
				for _, h := range model[holder] {
					had = had || h.Is4() == address.Is4()
				}
				if !had {
					model[holder] = append(model[holder], address)
				}
			default:
				got, err := a.Allocate(holder, subnets)
				if err != nil {
					full := map[bool]int{}
					for _, held := range model {
						for _, h := range held {
							full[h.Is4()]++
						}
					}
					require.True(t, full[true] == 28 || full[false] == 29, "exhausted with %v in use", full)
					continue
				}
				require.Len(t, got, 2)
				require.Subset(t, got, model[holder])
				model[holder] = got
			}
			seen := map[netip.Addr]string{}
			for holder, held := range model {
				require.ElementsMatch(t, held, a.Held(holder))
				for _, h := range held {
					require.Empty(t, seen[h], "%s has two holders", h)
					seen[h] = holder
					require.False(t, h.Less(first[h.Is4()]) || last[h.Is4()].Less(h), "%s is reserved", h)
				}
			}
			require.Equal(t, len(model), a.Holders())
		}
	}
}
