package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/pager"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// What is waited for in catchUp: the View's next look at a pod, and the next question to the API server.
const (
	lookInterval = 20 * time.Millisecond
	askInterval  = time.Second
)

// fewPods is up to how many pods are asked for one by one, and not by a list of all.
const fewPods = 10

// catchUp waits until the View is as new as the rows that the leader before has written. A View follows the API server
// some moments late, and much later after an outage. The row of a pod that it does not know yet would be taken for one that
// nobody wants, and its address would be given away while the pod runs with it. So where a row speaks of another pod than
// the View, the API server is asked. The error is ctx's.
func catchUp(ctx context.Context, client *kube.Client, view *kube.View, ports []*nb.LogicalSwitchPort, log logr.Logger) error {
	doubtful := doubtfulPods(view, ports)
	told := ""
	for len(doubtful) > 0 {
		now, err := askForPods(ctx, client, doubtful)
		why := "the API server tells of pods that this process has not heard of yet"
		if err != nil {
			why = err.Error()
		} else if knows(view, doubtful, now) {
			return nil
		}
		if why != told {
			told = why
			log.Info("waiting until all pods that have rows are known", "pods", len(doubtful), "reason", why)
		}
		_ = wait.PollUntilContextTimeout(ctx, lookInterval, askInterval, true, func(context.Context) (bool, error) {
			return err == nil && knows(view, doubtful, now), nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		doubtful = doubtfulPods(view, ports)
	}
	return nil
}

// doubtfulPods returns the pods that have rows and that the View does not know, or knows by another UID.
func doubtfulPods(view *kube.View, ports []*nb.LogicalSwitchPort) map[types.NamespacedName]bool {
	doubtful := map[types.NamespacedName]bool{}
	for _, port := range ports {
		name, ours := pod.NamespacedName(row.Owner(port.ExternalIDs[row.OwnerKey]))
		if ours && uidOf(view.Pod(name.Namespace, name.Name)) != port.Options[nodelink.InterfaceVersion] {
			doubtful[name] = true
		}
	}
	return doubtful
}

func uidOf(p *kube.Pod) string {
	if p == nil {
		return ""
	}
	return pod.UID(p)
}

// knows tells whether the View has the same pods under these names as the API server.
func knows(view *kube.View, names map[types.NamespacedName]bool, now map[types.NamespacedName]string) bool {
	for name := range names {
		if uidOf(view.Pod(name.Namespace, name.Name)) != now[name] {
			return false
		}
	}
	return true
}

// askForPods returns the UIDs that the API server, and not a cache of its, has now under some names.
func askForPods(ctx context.Context, client *kube.Client, names map[types.NamespacedName]bool) (map[types.NamespacedName]string, error) {
	now := map[types.NamespacedName]string{}
	if len(names) > fewPods {
		list := pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) {
			return client.Pods(metav1.NamespaceAll).List(ctx, o)
		}))
		err := list.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
			p, ok := o.(*corev1.Pod)
			if !ok {
				return fmt.Errorf("a %T among pods", o)
			}
			if name := (types.NamespacedName{Namespace: p.Namespace, Name: p.Name}); names[name] {
				now[name] = pod.UID(kube.NewPod(p))
			}
			return nil
		})
		return now, err
	}
	for name := range names {
		p, err := client.Pods(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			now[name] = pod.UID(kube.NewPod(p))
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return now, nil
}
