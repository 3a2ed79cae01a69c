package kube

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// ConfigHash is the annotation that kubelet gives the mirror pod of a static pod. Its value, not metadata.uid, is
// the UID under which kubelet runs the pod and the one that CNI is told.
const ConfigHash = "kubernetes.io/config.hash"

// Pod is what of a corev1.Pod matters here. A corev1.Pod is 1,192 bytes before it says anything, and each of its
// containers 408: with 50,000 pods that would be 100 MB of nothing. It never changes; maps and lists in it are shared
// with other pods.
type Pod struct {
	Namespace, Name string
	// UID is metadata.uid.
	UID types.UID
	// ConfigHash is the value of the annotation of that name; empty for a pod that is not static.
	ConfigHash string
	Labels     map[string]string
	// Created is metadata.creationTimestamp.
	Created time.Time
	// Node is the node that the pod is bound to; empty before the scheduler has chosen one.
	Node string
	// HostNetwork says that the pod uses its node's network.
	HostNetwork bool
	// Finished says that the pod's phase is Succeeded or Failed. It keeps status.podIPs for ever, but kubelet has taken
	// its network down, and its addresses belong to others.
	Finished bool
	// IPs are the addresses of status.podIPs.
	IPs []netip.Addr
	// Ports are the ports that have a name, of containers that run as long as the pod does, in their order there:
	// policies and Services refer to them by name.
	Ports []Port

	resourceVersion string
}

// Port is a port of a container that has a name.
type Port struct {
	Name     string
	Protocol corev1.Protocol
	Number   int32
}

// NewPod takes over what of a Pod matters here; the two share its labels.
func NewPod(p *corev1.Pod) *Pod {
	s := &Pod{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID, ConfigHash: p.Annotations[ConfigHash], Labels: p.Labels,
		Created: p.CreationTimestamp.Time, Node: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork,
		Finished:        p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		resourceVersion: p.ResourceVersion,
	}
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			s.IPs = append(s.IPs, a)
		}
	}
	for _, c := range p.Spec.Containers {
		s.addPorts(c)
	}
	for _, c := range p.Spec.InitContainers {
		// An init container that restarts runs beside the others (KEP-753), others have ended before.
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			s.addPorts(c)
		}
	}
	compact(&s.Name, (*string)(&s.UID), &s.ConfigHash, &s.resourceVersion)
	return s
}

func (p *Pod) addPorts(c corev1.Container) {
	for _, port := range c.Ports {
		if port.Name != "" {
			p.Ports = append(p.Ports, Port{port.Name, port.Protocol, port.ContainerPort})
		}
	}
}

// OnNetwork tells whether a pod has, or should have, a port: it is bound to a node, does not use the node's own
// network, and has not finished.
func OnNetwork(pod *Pod) bool {
	return pod != nil && pod.Node != "" && !pod.HostNetwork && !pod.Finished
}

// GetNamespace returns the pod's namespace.
func (p *Pod) GetNamespace() string { return p.Namespace }

// GetName returns the pod's name.
func (p *Pod) GetName() string { return p.Name }

// GetObjectMeta is for client-go, which asks for the key and for the version.
func (p *Pod) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.resourceVersion}
}

// GetObjectKind and DeepCopyObject let a list of pods pass through client-go, which looks into neither.
func (p *Pod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns a copy that shares what never changes.
func (p *Pod) DeepCopyObject() runtime.Object {
	c := *p
	return &c
}
