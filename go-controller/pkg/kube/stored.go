package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// storedPod is a Pod as the store holds it. A corev1.Pod is 1,192 bytes before it says anything, and each of its
// containers 408: with 50,000 pods that would be 100 MB of nothing. Who asks the View gets a corev1.Pod made of it.
type storedPod struct {
	metav1.ObjectMeta
	node        string
	phase       corev1.PodPhase
	podIP       string
	podIPs      []corev1.PodIP
	containers  []storedContainer
	initial     []storedContainer
	hostNetwork bool
}

// storedContainer is a container that has ports.
type storedContainer struct {
	name    string
	restart *corev1.ContainerRestartPolicy
	ports   []corev1.ContainerPort
}

// newStoredPod takes over what of a Pod matters here; the two share it.
func newStoredPod(p *corev1.Pod) *storedPod {
	return &storedPod{
		ObjectMeta: p.ObjectMeta,
		node:       p.Spec.NodeName, hostNetwork: p.Spec.HostNetwork,
		phase: p.Status.Phase, podIP: p.Status.PodIP, podIPs: p.Status.PodIPs,
		containers: withPorts(p.Spec.Containers), initial: withPorts(p.Spec.InitContainers),
	}
}

// withPorts keeps ports for their names: policies and Services refer to them.
func withPorts(containers []corev1.Container) []storedContainer {
	var kept []storedContainer
	for _, c := range containers {
		if len(c.Ports) > 0 {
			kept = append(kept, storedContainer{name: c.Name, restart: c.RestartPolicy, ports: c.Ports})
		}
	}
	return kept
}

// pod returns the Pod again, which shares its maps and lists with what is stored.
func (s *storedPod) pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: s.ObjectMeta,
		Spec: corev1.PodSpec{
			NodeName: s.node, HostNetwork: s.hostNetwork, Containers: containersOf(s.containers), InitContainers: containersOf(s.initial),
		},
		Status: corev1.PodStatus{Phase: s.phase, PodIP: s.podIP, PodIPs: s.podIPs},
	}
}

func containersOf(stored []storedContainer) []corev1.Container {
	var all []corev1.Container
	for _, c := range stored {
		all = append(all, corev1.Container{Name: c.name, RestartPolicy: c.restart, Ports: c.ports})
	}
	return all
}

// unstored returns an object of a store as those outside know it.
func unstored(o any) Object {
	if s, ok := o.(*storedPod); ok {
		return s.pod()
	}
	object, _ := o.(Object)
	return object
}

// stored returns what a store holds for an object.
func stored(o Object) any {
	if p, ok := o.(*corev1.Pod); ok {
		return newStoredPod(p)
	}
	return o
}
