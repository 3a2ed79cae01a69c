package nodelink_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

var mac = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x0b}

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

func TestRoundTrip(t *testing.T) {
	for text, g := range map[string]nodelink.Gateway{
		"": {},
		"woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24,woven-via4=192.0.2.1,woven-ip6=2001:db8::b/64,woven-via6=2001:db8::1": {
			MAC: mac, Addresses: prefixes("192.0.2.11/24", "2001:db8::b/64"), NextHops: addresses("192.0.2.1", "2001:db8::1"),
		},
		"woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24": {MAC: mac, Addresses: prefixes("192.0.2.11/24")},
		"woven-mac=02:00:00:00:00:0b,woven-ip6=2001:db8::b/64,woven-via6=fe80::1": {
			MAC: mac, Addresses: prefixes("2001:db8::b/64"), NextHops: addresses("fe80::1"),
		},
	} {
		assert.Equal(t, text, g.String())
		got, err := nodelink.ParseGateway(text)
		require.NoError(t, err, text)
		assert.True(t, g.Equal(got), "%s: %v", text, got)
	}
}

func TestOptionsOfOthersAreIgnoredAndKept(t *testing.T) {
	g := nodelink.Gateway{MAC: mac, Addresses: prefixes("192.0.2.11/24")}
	before := "enable-chassis-as-gw,woven-mac=02:00:00:00:00:01,availability-zones=a:b,woven-future"
	after := g.Merge(before)
	assert.Equal(t, "enable-chassis-as-gw,availability-zones=a:b,woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24", after)
	assert.Equal(t, after, g.Merge(after))
	got, err := nodelink.ParseGateway(after)
	require.NoError(t, err)
	assert.True(t, g.Equal(got))
	assert.Equal(t, "enable-chassis-as-gw", nodelink.Gateway{}.Merge("enable-chassis-as-gw,woven-mac=02:00:00:00:00:01"))
	got, err = nodelink.ParseGateway("enable-chassis-as-gw")
	require.NoError(t, err)
	assert.True(t, got.IsZero())
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"woven-ip4=192.0.2.11/24", "woven-mac=x", "woven-mac=", "woven-mac", "woven-mac=00:00:5e:00:53:01:00:01",
		"woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11", "woven-mac=02:00:00:00:00:0b,woven-ip4=2001:db8::b/64",
		"woven-mac=02:00:00:00:00:0b,woven-ip6=::ffff:192.0.2.1/120", "woven-mac=02:00:00:00:00:0b,woven-via6=fe80::1%eth0",
		"woven-mac=00:00:00:00:00:00", "woven-mac=ff:ff:ff:ff:ff:ff", "woven-mac=02:00:00:00:00:0b,woven-ip4=0.0.0.0/0", "woven-mac=02:00:00:00:00:0b,woven-via6=ff02::1",
		"woven-mac=02:00:00:00:00:0b,woven-mac=02:00:00:00:00:0c", "woven-mac=02:00:00:00:00:0b,woven-via4=",
	} {
		_, err := nodelink.ParseGateway(text)
		assert.Error(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("woven-mac=02:00:00:00:00:0b,woven-ip4=192.0.2.11/24,woven-via4=192.0.2.1")
	f.Add("enable-chassis-as-gw,woven-mac=02:00:00:00:00:0b,woven-ip6=2001:db8::b/64,woven-via6=fe80::1")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := nodelink.ParseGateway(text)
		if err != nil {
			return
		}
		again, err := nodelink.ParseGateway(g.String())
		if err != nil || !g.Equal(again) {
			t.Fatalf("%q reads as %v, which reads as %v (%v)", text, g, again, err)
		}
		if merged := g.Merge(text); g.Merge(merged) != merged {
			t.Fatalf("%q: merging twice differs from merging once", text)
		}
	})
}
