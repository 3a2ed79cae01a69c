package kube

import (
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// followed are the kinds of objects that a View holds. A new kind is one entry here, read by Get and List.
var followed = []informed{
	{&corev1.Node{}, nodeIndexers, from(func(c *Client) Reader[*corev1.NodeList] { return c.Nodes })},
	{&corev1.Namespace{}, nil, from(func(c *Client) Reader[*corev1.NamespaceList] { return c.Namespaces })},
	{&corev1.Pod{}, podIndexers, from(func(c *Client) Reader[*corev1.PodList] { return c.Pods(metav1.NamespaceAll) })},
	{&corev1.Service{}, nil, from(func(c *Client) Reader[*corev1.ServiceList] { return c.Services })},
	{&discoveryv1.EndpointSlice{}, sliceIndexers, from(func(c *Client) Reader[*discoveryv1.EndpointSliceList] {
		return c.EndpointSlices
	})},
}

// informed is a kind of objects to hold and follow.
type informed struct {
	example  Object
	indexers cache.Indexers
	source   source
}

// source returns how objects of a kind are listed, each trimmed, and watched.
type source func(*Client, cache.TransformFunc) (cache.ListWithContextFunc, cache.WatchFuncWithContext)

func from[L runtime.Object](reader func(*Client) Reader[L]) source {
	return func(c *Client, trim cache.TransformFunc) (cache.ListWithContextFunc, cache.WatchFuncWithContext) {
		r := reader(c)
		return pages(r.List, trim), r.Watch
	}
}

// kind is the kind's name, for messages.
func (k informed) kind() string { return reflect.TypeOf(k.example).Elem().Name() }

// informer returns what holds the objects of the kind and follows them.
func (k informed) informer(client *Client, trim cache.TransformFunc) (cache.SharedIndexInformer, error) {
	list, watch := k.source(client, trim)
	// API servers that can stream the first state do so (KEP-3157), all others are asked for lists.
	asked := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: patient(k.kind(), list), WatchFuncWithContext: patient(k.kind(), watch),
	}, client)
	// No periodic resync: changes are complete without, and a restart over 10,000 pods should be quiet.
	informer := cache.NewSharedIndexInformer(asked, k.example.(runtime.Object), 0, k.indexers)
	if err := informer.SetTransform(trim); err != nil {
		return nil, fmt.Errorf("trim objects of kind %s: %w", k.kind(), err)
	}
	return informer, nil
}
