// Package kube shows the Kubernetes objects that matter to Woven: read-only, indexed, and kept up to date by
// informers. Translators read a View and nothing else, so a test hands them one built from plain objects.
package kube

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// Object is what a View holds: *corev1.Node, *corev1.Namespace, *Pod, *corev1.Service or
// *discoveryv1.EndpointSlice.
type Object interface {
	GetNamespace() string
	GetName() string
}

// Names of the indexes within the stores.
const (
	byNode    = "node"    // pods by spec.nodeName
	byService = "service" // EndpointSlices by "<namespace>/<service>"
)

// View is the cluster as the API server last told. Its methods may be called from any goroutine. What they return
// is shared with everybody: nobody may change it. Lists are sorted by namespace and name.
type View struct {
	nodes, namespaces, pods, services, slices cache.Indexer
}

// NewView returns a View of the given objects and no others. A *corev1.Pod is taken for the Pod that it makes.
func NewView(objects ...Object) *View {
	key := cache.MetaNamespaceKeyFunc
	v := &View{
		nodes:      cache.NewIndexer(key, nodeIndexers),
		namespaces: cache.NewIndexer(key, cache.Indexers{}),
		pods:       cache.NewIndexer(key, podIndexers),
		services:   cache.NewIndexer(key, cache.Indexers{}),
		slices:     cache.NewIndexer(key, sliceIndexers),
	}
	for _, o := range objects {
		v.Set(o)
	}
	return v
}

// Set adds an object to a View made by NewView, or replaces it. Informers alone change the View of a cluster.
func (v *View) Set(o Object) {
	if err := (*v.store(o)).Update(slim(o)); err != nil {
		panic(fmt.Sprintf("kube: %T %s/%s cannot be stored: %v", o, o.GetNamespace(), o.GetName(), err))
	}
}

// Unset takes an object out of a View made by NewView.
func (v *View) Unset(o Object) {
	if err := (*v.store(o)).Delete(slim(o)); err != nil {
		panic(fmt.Sprintf("kube: %T %s/%s cannot be removed: %v", o, o.GetNamespace(), o.GetName(), err))
	}
}

// slim returns what the View holds for an object.
func slim(o Object) Object {
	if p, ok := o.(*corev1.Pod); ok {
		return NewPod(p)
	}
	return o
}

// store returns where the View has its objects of a kind.
func (v *View) store(o Object) *cache.Indexer {
	switch o.(type) {
	case *corev1.Node:
		return &v.nodes
	case *corev1.Namespace:
		return &v.namespaces
	case *Pod, *corev1.Pod:
		return &v.pods
	case *corev1.Service:
		return &v.services
	case *discoveryv1.EndpointSlice:
		return &v.slices
	}
	panic(fmt.Sprintf("kube: a View holds no %T", o))
}

// Node returns a node, or nil.
func (v *View) Node(name string) *corev1.Node { return get[*corev1.Node](v.nodes, name) }

// Nodes returns all nodes.
func (v *View) Nodes() []*corev1.Node { return list[*corev1.Node](v.nodes.List()) }

// Namespace returns a namespace, or nil.
func (v *View) Namespace(name string) *corev1.Namespace {
	return get[*corev1.Namespace](v.namespaces, name)
}

// Namespaces returns all namespaces.
func (v *View) Namespaces() []*corev1.Namespace {
	return list[*corev1.Namespace](v.namespaces.List())
}

// Pod returns a pod, or nil.
func (v *View) Pod(namespace, name string) *Pod {
	return get[*Pod](v.pods, namespace+"/"+name)
}

// Pods returns all pods.
func (v *View) Pods() []*Pod { return list[*Pod](v.pods.List()) }

// PodCount returns how many pods there are.
func (v *View) PodCount() int { return len(v.pods.ListKeys()) }

// PodsOn returns the pods bound to a node.
func (v *View) PodsOn(node string) []*Pod {
	return list[*Pod](indexed(v.pods, byNode, node))
}

// Service returns a Service, or nil.
func (v *View) Service(namespace, name string) *corev1.Service {
	return get[*corev1.Service](v.services, namespace+"/"+name)
}

// Services returns all Services.
func (v *View) Services() []*corev1.Service { return list[*corev1.Service](v.services.List()) }

// EndpointSlices returns the slices of a Service.
func (v *View) EndpointSlices(namespace, service string) []*discoveryv1.EndpointSlice {
	return list[*discoveryv1.EndpointSlice](indexed(v.slices, byService, namespace+"/"+service))
}

// ServiceOf returns the name of the Service in the slice's namespace that the slice belongs to; empty for a
// slice of nobody's.
func ServiceOf(s *discoveryv1.EndpointSlice) string { return s.Labels[discoveryv1.LabelServiceName] }

var podIndexers = cache.Indexers{
	byNode: func(o any) ([]string, error) {
		if pod, ok := o.(*Pod); ok && pod.Node != "" {
			return []string{pod.Node}, nil
		}
		return nil, nil
	},
}

var sliceIndexers = cache.Indexers{
	byService: func(o any) ([]string, error) {
		if s, ok := o.(*discoveryv1.EndpointSlice); ok && ServiceOf(s) != "" {
			return []string{s.Namespace + "/" + ServiceOf(s)}, nil
		}
		return nil, nil
	},
}

func get[T Object](store cache.Indexer, key string) T {
	// GetByKey of a thread-safe store has no way to fail.
	o, _, _ := store.GetByKey(key)
	typed, _ := o.(T)
	return typed
}

func indexed(store cache.Indexer, index, value string) []any {
	objects, err := store.ByIndex(index, value)
	if err != nil {
		panic("kube: " + err.Error()) // Only an index that does not exist is an error.
	}
	return objects
}

func list[T Object](objects []any) []T {
	out := make([]T, 0, len(objects))
	for _, o := range objects {
		out = append(out, o.(T))
	}
	slices.SortFunc(out, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return out
}
