package kube

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(namespace, name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node}}
}

func TestViewIndexes(t *testing.T) {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
	orphan := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "y"}}
	v := NewView(pod("b", "1", "n1"), pod("a", "2", "n1"), pod("a", "3", "n2"), pod("a", "4", ""), slice, orphan)

	assert.Equal(t, []*Pod{NewPod(pod("a", "2", "n1")), NewPod(pod("b", "1", "n1"))}, v.PodsOn("n1"))
	assert.Len(t, v.Pods(), 4)
	assert.Empty(t, v.PodsOn(""))
	assert.Equal(t, []*discoveryv1.EndpointSlice{slice}, v.EndpointSlices("a", "web"))
	assert.Nil(t, v.Pod("a", "1"))
	assert.Nil(t, v.Node("n1"))
	assert.Empty(t, v.Nodes())

	v.Set(pod("a", "2", "n2"))
	assert.Len(t, v.PodsOn("n1"), 1)
	v.Unset(pod("a", "2", ""))
	assert.Len(t, v.PodsOn("n2"), 1)
}

func TestOnNetwork(t *testing.T) {
	assert.False(t, OnNetwork(nil))
	assert.False(t, OnNetwork(NewPod(pod("a", "b", ""))))
	assert.True(t, OnNetwork(NewPod(pod("a", "b", "n"))))
	host := pod("a", "b", "n")
	host.Spec.HostNetwork = true
	assert.False(t, OnNetwork(NewPod(host)))
	for phase, want := range map[corev1.PodPhase]bool{
		corev1.PodPending: true, corev1.PodRunning: true, corev1.PodUnknown: true, corev1.PodSucceeded: false, corev1.PodFailed: false,
	} {
		p := pod("a", "b", "n")
		p.Status.Phase = phase
		assert.Equal(t, want, OnNetwork(NewPod(p)), phase)
	}
}

func TestPod(t *testing.T) {
	p := pod("a", "b", "n")
	p.UID, p.ResourceVersion, p.Labels = "1", "7", map[string]string{"app": "web"}
	p.CreationTimestamp = metav1.Unix(5, 0)
	p.Annotations = map[string]string{ConfigHash: "2"}
	ports := func(names ...string) (all []corev1.ContainerPort) {
		for i, name := range names {
			all = append(all, corev1.ContainerPort{Name: name, ContainerPort: int32(80 + i), Protocol: corev1.ProtocolTCP})
		}
		return all
	}
	always := corev1.ContainerRestartPolicyAlways
	p.Spec.Containers = []corev1.Container{{Name: "app", Ports: ports("", "http")}, {Name: "other", Ports: ports("metrics")}}
	p.Spec.InitContainers = []corev1.Container{{Name: "before", Ports: ports("none")}, {Name: "beside", RestartPolicy: &always, Ports: ports("proxy")}}
	p.Status.PodIPs = []corev1.PodIP{{IP: "192.0.2.1"}, {IP: "nonsense"}, {IP: "2001:db8::1"}}
	want := &Pod{
		Namespace: "a", Name: "b", UID: "1", ConfigHash: "2", Labels: p.Labels, Created: p.CreationTimestamp.Time, Node: "n",
		IPs:   []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		Ports: []Port{{"http", "TCP", 81}, {"metrics", "TCP", 80}, {"proxy", "TCP", 80}}, resourceVersion: "7",
	}
	assert.Equal(t, want, NewPod(p))
	assert.Equal(t, "7", want.GetObjectMeta().GetResourceVersion(), "client-go tells nobody of a pod that is as it was after a new list")
}

func TestTrimEndpoints(t *testing.T) {
	text := "x"
	endpoint := discoveryv1.Endpoint{
		Addresses: []string{"192.0.2.1"}, Hostname: &text, TargetRef: &corev1.ObjectReference{Name: text},
		NodeName: &text, Zone: &text, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: text}}},
	}
	o, err := newAlike().trim(&discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{endpoint}})
	assert.NoError(t, err)
	endpoint.Hostname, endpoint.TargetRef = nil, nil
	assert.Equal(t, []discoveryv1.Endpoint{endpoint}, o.(*discoveryv1.EndpointSlice).Endpoints)
}
