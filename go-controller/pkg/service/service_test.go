package service_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/service"
)

func parse(t testing.TB) *config.Parsed {
	t.Helper()
	c, err := config.Parse([]byte("ovn: {northbound: 'unix:/n', southbound: 'unix:/s'}\n" +
		"clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/56']\nserviceCIDRs: [10.96.0.0/16, 'fd00:10:96::/112']\n"))
	require.NoError(t, err)
	return c
}

func dns() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns"},
		Spec: corev1.ServiceSpec{
			ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10", "fd00:10:96::a"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53}, {Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: 53},
				{Name: "metrics", Port: 9153},
			},
		},
	}
}

// slice returns a slice of kube-dns, whose pods listen where the Service does, but for metrics.
func slice(name string, family discoveryv1.AddressType, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "kube-system", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
		AddressType: family, Endpoints: endpoints,
	}
	for _, p := range []struct {
		name     string
		protocol corev1.Protocol
		number   int32
	}{{"dns", corev1.ProtocolUDP, 53}, {"dns-tcp", corev1.ProtocolTCP, 53}, {"metrics", corev1.ProtocolTCP, 19153}} {
		s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &p.name, Protocol: &p.protocol, Port: &p.number})
	}
	return s
}

// endpoint's state is "ready", "unready", "serving" (and terminating), "gone" (terminating, serves no more) or
// "unknown".
func endpoint(address, state string) discoveryv1.Endpoint {
	yes, no := true, false
	e := discoveryv1.Endpoint{Addresses: []string{address}}
	switch state {
	case "ready":
		e.Conditions = discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &no}
	case "unready":
		e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &no, Terminating: &no}
	case "serving":
		e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}
	case "gone":
		e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &no, Terminating: &yes}
	}
	return e
}

func translate(t testing.TB, v *kube.View, namespace, name string) []row.Row {
	t.Helper()
	rows, err := service.Translate(kind.Input{View: v, Config: parse(t)}, service.Owner(namespace, name))
	require.NoError(t, err)
	return rows
}

func TestRows(t *testing.T) {
	v := kube.NewView(dns(),
		slice("b", discoveryv1.AddressTypeIPv4, endpoint("10.244.2.4", "ready"), endpoint("10.244.1.3", "ready"), endpoint("10.244.1.9", "unready")),
		slice("c", discoveryv1.AddressTypeIPv4, endpoint("10.244.1.3", "ready")),
		slice("a", discoveryv1.AddressTypeIPv6, endpoint("fd00:10:244:1::3", "ready")),
	)
	golden.Compare(t, "kube-dns", golden.Rows(translate(t, v, "kube-system", "kube-dns")))
}

func TestNoEndpointsRefuse(t *testing.T) {
	sticky := dns()
	sticky.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	sticky.Spec.Ports = sticky.Spec.Ports[:1]
	golden.Compare(t, "no-endpoints", golden.Rows(translate(t, kube.NewView(sticky), "kube-system", "kube-dns")))
}

func TestKubernetesService(t *testing.T) {
	// The API server writes this slice itself: host-network endpoints, one family, a port name and no conditions but ready.
	name, number, yes := "https", int32(6443), true
	v := kube.NewView(
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1"},
				Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
			AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"172.30.0.10"}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}}},
		})
	golden.Compare(t, "kubernetes", golden.Rows(translate(t, v, "default", "kubernetes")))
}

func TestEndpointsByState(t *testing.T) {
	one := dns()
	one.Spec.ClusterIPs, one.Spec.Ports = one.Spec.ClusterIPs[:1], one.Spec.Ports[:1]
	for _, c := range []struct {
		states []string
		want   []int
	}{
		{[]string{"ready", "serving", "unready"}, []int{0}},
		{[]string{"unready", "serving", "gone"}, []int{1}},
		{[]string{"unready", "gone"}, nil},
		{[]string{"unknown", "serving"}, []int{0}},
	} {
		s := slice("a", discoveryv1.AddressTypeIPv4)
		for i, state := range c.states {
			s.Endpoints = append(s.Endpoints, endpoint(fmt.Sprintf("10.0.0.%d", i), state))
		}
		want := ""
		for _, i := range c.want {
			want = fmt.Sprintf("10.0.0.%d:53", i)
		}
		rows := translate(t, kube.NewView(one, s), "kube-system", "kube-dns")
		require.Len(t, rows, 1)
		assert.Equal(t, map[string]string{"10.96.0.10:53": want}, rows[0].Model.(*nb.LoadBalancer).Vips, "%v", c.states)
	}
}

func TestNoRows(t *testing.T) {
	headless, external, empty := dns(), dns(), dns()
	headless.Spec.ClusterIP, headless.Spec.ClusterIPs = corev1.ClusterIPNone, []string{corev1.ClusterIPNone}
	external.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"}
	empty.Spec.Ports = nil
	for _, s := range []*corev1.Service{headless, external, empty} {
		assert.Empty(t, translate(t, kube.NewView(s), "kube-system", "kube-dns"))
	}
	assert.Empty(t, translate(t, kube.NewView(), "kube-system", "kube-dns"))
}

func TestAffected(t *testing.T) {
	mine := slice("a", discoveryv1.AddressTypeIPv4)
	others := mine.DeepCopy()
	others.Labels[discoveryv1.LabelServiceName] = "other"
	assert.Equal(t, []row.Owner{service.Owner("kube-system", "kube-dns")}, service.Affected(kind.Input{}, kube.Change{New: dns()}))
	assert.Equal(t, []row.Owner{service.Owner("kube-system", "kube-dns"), service.Owner("kube-system", "other")},
		service.Affected(kind.Input{}, kube.Change{Old: mine, New: others}))
	assert.Empty(t, service.Affected(kind.Input{}, kube.Change{New: &kube.Pod{}}))
}
