//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// newServiceTo makes a Service without a selector, whose EndpointSlice names any address: whoever may write
// EndpointSlices can do that. It returns the Service's address and port.
func newServiceTo(t *testing.T, namespace, name string, protocol corev1.Protocol, port int32, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	family, addressType := corev1.IPv4Protocol, discoveryv1.AddressTypeIPv4
	if to.Addr().Is6() {
		family, addressType = corev1.IPv6Protocol, discoveryv1.AddressTypeIPv6
	}
	s, err := cluster.client.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			IPFamilies: []corev1.IPFamily{family},
			Ports:      []corev1.ServicePort{{Name: "p", Protocol: protocol, Port: port}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = cluster.client.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: addressType,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{to.Addr().String()}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new("p"), Protocol: &protocol, Port: new(int32(to.Port()))}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	awaitService(t, s)
	return netip.AddrPortFrom(clusterIPs(t, s)[0], uint16(port))
}

// awaitService waits until all nodes have a Service's load balancers in their flows. An endpoint that comes later is
// not waited for.
func awaitService(t *testing.T, s *corev1.Service) {
	t.Helper()
	for _, p := range s.Spec.Ports {
		nbctl(t, "--timeout=30", "wait-until", "Load_Balancer", s.Namespace+"/"+s.Name+"/"+strings.ToLower(string(p.Protocol)), "vips!={}")
	}
	nbctl(t, "--timeout=30", "--wait=hv", "sync")
}
