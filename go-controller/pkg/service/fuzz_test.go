package service_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
)

// FuzzTranslate translates a Service and an EndpointSlice that hold any text for addresses, any numbers for ports: slices
// may be written by everybody who may write a Service's.
func FuzzTranslate(f *testing.F) {
	f.Add("10.96.0.10", "fd00:10:96::a", "10.244.1.5", "fd00::5", int32(53), int32(8053), true)
	f.Add("None", "", "fe80::1%eth0", "::ffff:10.244.1.5", int32(0), int32(-1), false)
	f.Add("0.0.0.0", "::", "", "010.001.002.003", int32(65536), int32(70000), true)
	f.Fuzz(func(t *testing.T, cluster, other, first, second string, port, target int32, v4 bool) {
		s := dns()
		s.Spec.ClusterIPs = []string{cluster, other}
		for i := range s.Spec.Ports {
			s.Spec.Ports[i].Port = port
		}
		family := discoveryv1.AddressTypeIPv6
		if v4 {
			family = discoveryv1.AddressTypeIPv4
		}
		endpoints := slice("a", family, endpoint(first, "ready"), endpoint(second, "unknown"))
		for i := range endpoints.Ports {
			endpoints.Ports[i].Port = &target
		}
		for _, r := range translate(t, kube.NewView(s, endpoints), s.Namespace, s.Name) {
			for vip, backends := range r.Model.(*nb.LoadBalancer).Vips {
				front := addressed(t, vip)
				if backends == "" {
					continue
				}
				for _, text := range strings.Split(backends, ",") {
					require.Equal(t, front.Addr().Is4(), addressed(t, text).Addr().Is4(), "%s of %s is of another family", text, vip)
				}
			}
		}
	})
}

// addressed reads an address and port as OVN does: no zone, no port 0.
func addressed(t *testing.T, text string) netip.AddrPort {
	a, err := netip.ParseAddrPort(text)
	require.NoError(t, err)
	require.Empty(t, a.Addr().Zone())
	require.False(t, a.Addr().Is4In6() || a.Addr().IsUnspecified() || a.Port() == 0, text)
	return a
}
