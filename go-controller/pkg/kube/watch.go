package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Change is one change of one object. Old is nil when the object is new and New is nil when it is gone; never both.
// Those who react to a change look at both: what an object no longer is concerns somebody, too.
type Change struct{ Old, New Object }

// Objects returns Old and New, whichever are there.
func (c Change) Objects() []Object {
	var all []Object
	if c.Old != nil {
		all = append(all, c.Old)
	}
	if c.New != nil {
		all = append(all, c.New)
	}
	return all
}

// Watch follows the cluster until ctx ends. It returns when the View is complete: everything that the API
// server knew at the call is there. From then on changed is called for every change (and, before, for every object
// found), from several goroutines, after the View shows it; it must not block.
func Watch(ctx context.Context, client kubernetes.Interface, changed func(Change)) (*View, error) {
	// No periodic resync: changes are complete without, and a restart over 10,000 pods should be quiet.
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim))
	all := map[string]cache.SharedIndexInformer{
		"Node":          factory.Core().V1().Nodes().Informer(),
		"Namespace":     factory.Core().V1().Namespaces().Informer(),
		"Pod":           factory.Core().V1().Pods().Informer(),
		"Service":       factory.Core().V1().Services().Informer(),
		"EndpointSlice": factory.Discovery().V1().EndpointSlices().Informer(),
	}
	nodeInformer, podInformer, sliceInformer := all["Node"], all["Pod"], all["EndpointSlice"]
	if err := nodeInformer.AddIndexers(nodeIndexers); err != nil {
		return nil, fmt.Errorf("index of nodes: %w", err)
	}
	// The factory's pod informer has the namespace index already; an index is added once.
	if err := podInformer.AddIndexers(cache.Indexers{byNode: podIndexers[byNode]}); err != nil {
		return nil, fmt.Errorf("index of pods: %w", err)
	}
	if err := sliceInformer.AddIndexers(sliceIndexers); err != nil {
		return nil, fmt.Errorf("index of EndpointSlices: %w", err)
	}
	view := &View{
		nodes: nodeInformer.GetIndexer(), namespaces: all["Namespace"].GetIndexer(), pods: podInformer.GetIndexer(),
		services: all["Service"].GetIndexer(), slices: sliceInformer.GetIndexer(),
	}
	var delivered []cache.InformerSynced
	for kind, informer := range all {
		registration, err := informer.AddEventHandler(handler(changed))
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", kind, err)
		}
		delivered = append(delivered, registration.HasSynced)
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), delivered...) {
		return nil, errors.New("stopped before the API server had told everything")
	}
	return view, nil
}

func handler(changed func(Change)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { changed(Change{New: unstored(o)}) },
		UpdateFunc: func(before, after any) { changed(Change{Old: unstored(before), New: unstored(after)}) },
		DeleteFunc: func(o any) {
			// A watch that was cut learns of a deletion late, by its absence, with the last state known.
			if tombstone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = tombstone.Obj
			}
			if object := unstored(o); object != nil {
				changed(Change{Old: object})
			}
		},
	}
}

// As returns the two sides of a change as objects of one kind, nil where there is none, and whether the change is
// of that kind.
func As[T Object](c Change) (before, after T, ok bool) {
	before, okBefore := c.Old.(T)
	after, okAfter := c.New.(T)
	return before, after, okBefore || okAfter
}
