package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/woven-network/woven/go-controller/pkg/pause"
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
// server knew at the call is there. From then on changed is called for every change, from several goroutines, after the
// View shows it; it must not block. What changes before is in the View and is not told.
func Watch(ctx context.Context, client *Client, changed func(Change)) (*View, error) {
	trim := newAlike().trim
	var complete atomic.Bool
	view, delivered := &View{stores: map[reflect.Type]cache.Indexer{}}, []cache.InformerSynced{}
	for _, kind := range followed {
		informer, err := kind.informer(client, trim)
		if err != nil {
			return nil, err
		}
		view.stores[held(kind.example)] = informer.GetIndexer()
		registration, err := informer.AddEventHandler(handler(func(c Change) {
			if complete.Load() && len(c.Objects()) > 0 {
				changed(c)
			}
		}))
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", kind.kind(), err)
		}
		delivered = append(delivered, registration.HasSynced)
		go informer.RunWithContext(ctx)
	}
	if !cache.WaitForCacheSync(ctx.Done(), delivered...) {
		return nil, errors.New("stopped before the API server had told everything")
	}
	complete.Store(true)
	return view, nil
}

// patient returns f, tried again while the API server is away. client-go's reflector does that too, but waits for up to half
// a minute between two tries, and a controller that starts meanwhile does nothing for any pod until it has the first state.
func patient[T any](kind string, f func(context.Context, metav1.ListOptions) (T, error)) func(context.Context, metav1.ListOptions) (T, error) {
	return func(ctx context.Context, o metav1.ListOptions) (T, error) {
		delay := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 100, Cap: 2 * time.Second}
		for tries := 0; ; tries++ {
			answer, err := f(ctx, o)
			if err == nil || !away(err) {
				return answer, err
			}
			if tries == 0 {
				klog.FromContext(ctx).Info("kube-apiserver does not answer, trying again", "kind", kind, "reason", err.Error())
			}
			if !pause.For(ctx, delay.Step()) {
				return answer, err
			}
		}
	}
}

// away tells whether an error says nothing of the question: there was no answer, or that of a server that has no time or
// no etcd. All others are the reflector's, such as a resource version that is too old, or too new.
func away(err error) bool {
	if apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return false
	}
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonServiceUnavailable, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout:
		return true
	default:
		return false
	}
}

// pageSize is how many objects are asked for at once. Of 50,000 pods in one list, the text alone would take half a
// gigabyte for a moment.
const pageSize = 500

// pages returns a function that lists page by page, trimming each object before the next page comes. It asks for what
// is now, and not (resourceVersion "0") for what an API server that lags behind may still believe: rows of pods that
// the process before this one knew must not be taken for rows of nobody's.
func pages[L runtime.Object](list func(context.Context, metav1.ListOptions) (L, error), trim cache.TransformFunc) cache.ListWithContextFunc {
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		o.ResourceVersion, o.ResourceVersionMatch, o.Limit = "", "", pageSize
		all := &metav1.List{}
		for {
			page, err := list(ctx, o)
			if apierrors.IsResourceExpired(err) && o.Continue != "" {
				// The pages took longer than the server remembers: all at once, then.
				o.Continue, o.Limit, all.Items = "", 0, nil
				continue
			}
			if err != nil {
				return nil, err
			}
			about, err := meta.ListAccessor(page)
			if err != nil {
				return nil, err
			}
			err = meta.EachListItemWithAlloc(page, func(item runtime.Object) error {
				trimmed, err := trim(item)
				if object, ok := trimmed.(runtime.Object); ok {
					all.Items = append(all.Items, runtime.RawExtension{Object: object})
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			all.ResourceVersion = about.GetResourceVersion()
			if o.Continue = about.GetContinue(); o.Continue == "" {
				return all, nil
			}
		}
	}
}

// handler calls changed for each change.
func handler(changed func(Change)) cache.ResourceEventHandlerFuncs {
	object := func(o any) Object {
		typed, _ := o.(Object)
		return typed
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { changed(Change{New: object(o)}) },
		UpdateFunc: func(before, after any) { changed(Change{Old: object(before), New: object(after)}) },
		DeleteFunc: func(o any) {
			// A watch that was cut learns of a deletion late, by its absence, with the last state known.
			if tombstone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = tombstone.Obj
			}
			changed(Change{Old: object(o)})
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
