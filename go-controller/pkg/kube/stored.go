package kube

import (
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/lru"
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
	s := &storedPod{
		ObjectMeta: p.ObjectMeta,
		node:       p.Spec.NodeName, hostNetwork: p.Spec.HostNetwork,
		phase: p.Status.Phase, podIP: p.Status.PodIP,
		containers: withPorts(p.Spec.Containers), initial: withPorts(p.Spec.InitContainers),
	}
	s.podIPs = slices.Clone(p.Status.PodIPs)
	texts := []*string{&s.Name, (*string)(&s.UID), &s.ResourceVersion}
	for i := range s.podIPs {
		texts = append(texts, &s.podIPs[i].IP)
	}
	compact(texts...)
	if len(s.podIPs) > 0 && s.podIPs[0].IP == s.podIP {
		s.podIP = s.podIPs[0].IP
	}
	return s
}

// compact puts texts one behind the other into one piece of memory. Each was decoded into a piece of its own, among many
// that are thrown away and leave holes too small for anything else.
func compact(texts ...*string) {
	n := 0
	for _, t := range texts {
		n += len(*t)
	}
	var all strings.Builder
	all.Grow(n)
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		*t, rest = rest[:len(*t)], rest[len(*t):]
	}
}

// GetObjectKind and DeepCopyObject let a list of stored pods pass through client-go, which looks into neither.
func (s *storedPod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns a copy that shares what nobody may change.
func (s *storedPod) DeepCopyObject() runtime.Object {
	c := *s
	return &c
}

// alike hands out one copy of what equal pods have in common: those of a Deployment differ in little but their names.
type alike struct {
	seed maphash.Seed
	// recent maps the hash of labels to the *storedPod that had them last, which may be deleted by now.
	recent *lru.Cache
}

func newAlike() *alike { return &alike{seed: maphash.MakeSeed(), recent: lru.New(1024)} }

// share gives the pod the labels, ports and names of namespace and node of one before that has the same.
func (a *alike) share(s *storedPod) {
	var key uint64
	for k, v := range s.Labels {
		key += maphash.Comparable(a.seed, [2]string{k, v}) // a sum, for a map has no order
	}
	if known, ok := a.recent.Get(key); ok {
		other := known.(*storedPod)
		if maps.Equal(s.Labels, other.Labels) {
			s.Labels = other.Labels
		}
		if reflect.DeepEqual(s.containers, other.containers) {
			s.containers = other.containers
		}
		if reflect.DeepEqual(s.initial, other.initial) {
			s.initial = other.initial
		}
		if s.Namespace == other.Namespace {
			s.Namespace = other.Namespace
		}
		if s.node == other.node {
			s.node = other.node
		}
	}
	a.recent.Add(key, s)
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
	p := &corev1.Pod{}
	s.fill(p)
	p.Spec.Containers, p.Spec.InitContainers = containersOf(s.containers), containersOf(s.initial)
	return p
}

// fill makes p the Pod again, but for its containers.
func (s *storedPod) fill(p *corev1.Pod) {
	p.ObjectMeta = s.ObjectMeta
	p.Spec = corev1.PodSpec{NodeName: s.node, HostNetwork: s.hostNetwork}
	p.Status = corev1.PodStatus{Phase: s.phase, PodIP: s.podIP, PodIPs: s.podIPs}
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
