// Package kube shows the Kubernetes objects that matter to Woven: read-only, indexed, and kept up to date by
// informers. Translators read a View and nothing else, so a test hands them one built from plain objects.
package kube

import (
	"cmp"
	"fmt"
	"reflect"
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
	// stores maps the type of a kind's objects to them.
	stores map[reflect.Type]cache.Indexer
}

// NewView returns a View of the given objects and no others. A *corev1.Pod is taken for the Pod that it makes.
func NewView(objects ...Object) *View {
	v := &View{stores: map[reflect.Type]cache.Indexer{}}
	for _, kind := range followed {
		v.stores[held(kind.example)] = cache.NewIndexer(cache.MetaNamespaceKeyFunc, kind.indexers)
	}
	for _, o := range objects {
		v.Set(o)
	}
	return v
}

// Set adds an object to a View made by NewView, or replaces it. Informers alone change the View of a cluster.
func (v *View) Set(o Object) {
	if err := v.store(held(o)).Update(slim(o)); err != nil {
		panic(fmt.Sprintf("kube: %T %s/%s cannot be stored: %v", o, o.GetNamespace(), o.GetName(), err))
	}
}

// Unset takes an object out of a View made by NewView.
func (v *View) Unset(o Object) {
	if err := v.store(held(o)).Delete(slim(o)); err != nil {
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

// held returns the type of what the View holds for an object.
func held(o Object) reflect.Type {
	if _, ok := o.(*corev1.Pod); ok {
		return reflect.TypeFor[*Pod]()
	}
	return reflect.TypeOf(o)
}

// store returns where the View has its objects of a type.
func (v *View) store(t reflect.Type) cache.Indexer {
	store, ok := v.stores[t]
	if !ok {
		panic(fmt.Sprintf("kube: a View holds no %v", t))
	}
	return store
}

// Get returns an object of a kind, or nil. The namespace is empty for a kind that has none.
func Get[T Object](v *View, namespace, name string) T {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	// GetByKey of a thread-safe store has no way to fail.
	o, _, _ := v.store(reflect.TypeFor[T]()).GetByKey(key)
	typed, _ := o.(T)
	return typed
}

// List returns all objects of a kind.
func List[T Object](v *View) []T { return list[T](v.store(reflect.TypeFor[T]()).List()) }

// Node returns a node, or nil.
func (v *View) Node(name string) *corev1.Node { return Get[*corev1.Node](v, "", name) }

// Nodes returns all nodes.
func (v *View) Nodes() []*corev1.Node { return List[*corev1.Node](v) }

// Namespace returns a namespace, or nil.
func (v *View) Namespace(name string) *corev1.Namespace {
	return Get[*corev1.Namespace](v, "", name)
}

// Namespaces returns all namespaces.
func (v *View) Namespaces() []*corev1.Namespace {
	return List[*corev1.Namespace](v)
}

// Pod returns a pod, or nil.
func (v *View) Pod(namespace, name string) *Pod {
	return Get[*Pod](v, namespace, name)
}

// Pods returns all pods.
func (v *View) Pods() []*Pod { return List[*Pod](v) }

// PodCount returns how many pods there are.
func (v *View) PodCount() int { return len(v.store(reflect.TypeFor[*Pod]()).ListKeys()) }

// PodsOn returns the pods bound to a node.
func (v *View) PodsOn(node string) []*Pod {
	return indexed[*Pod](v, byNode, node)
}

// Service returns a Service, or nil.
func (v *View) Service(namespace, name string) *corev1.Service {
	return Get[*corev1.Service](v, namespace, name)
}

// Services returns all Services.
func (v *View) Services() []*corev1.Service { return List[*corev1.Service](v) }

// EndpointSlices returns the slices of a Service.
func (v *View) EndpointSlices(namespace, service string) []*discoveryv1.EndpointSlice {
	return indexed[*discoveryv1.EndpointSlice](v, byService, namespace+"/"+service)
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

// indexed returns the objects of a kind that an index has under a value.
func indexed[T Object](v *View, index, value string) []T {
	return list[T](unsorted[T](v, index, value))
}

// unsorted is indexed in no order.
func unsorted[T Object](v *View, index, value string) []any {
	objects, err := v.store(reflect.TypeFor[T]()).ByIndex(index, value)
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
