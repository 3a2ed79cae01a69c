package kube

import corev1 "k8s.io/api/core/v1"

// OnNetwork tells whether a pod has, or should have, a port: it is bound to a node, does not use the node's own
// network, and has not finished. A finished pod (Succeeded or Failed) keeps status.podIPs for ever, but kubelet has
// taken its network down, and its addresses belong to others.
func OnNetwork(pod *corev1.Pod) bool {
	return pod != nil && pod.Spec.NodeName != "" && !pod.Spec.HostNetwork &&
		pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}
