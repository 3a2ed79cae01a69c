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
func doubtfulPods(view *kube.View, ports []*nb.LogicalSwitchPort) map[row.Owner]bool {
	doubtful := map[row.Owner]bool{}
	for _, port := range ports {
		owner := ownerOf(port.ExternalIDs)
		if owner.Kind == pod.Kind.Name && uidOf(view, owner) != port.Options[nodelink.InterfaceVersion] {
			doubtful[owner] = true
		}
	}
	return doubtful
}

// uidOf returns the UID of a pod; empty if the View does not know it.
func uidOf(view *kube.View, owner row.Owner) string {
	if p := view.Pod(owner.Namespace, owner.Name); p != nil {
		return pod.UID(p)
	}
	return ""
}

// knows tells whether the View has the same UIDs of some pods as the API server.
func knows(view *kube.View, pods map[row.Owner]bool, now map[row.Owner]string) bool {
	for owner := range pods {
		if uidOf(view, owner) != now[owner] {
			return false
		}
	}
	return true
}

// askForPods returns the UIDs that the API server, and not a cache of its, has now for some pods.
func askForPods(ctx context.Context, client *kube.Client, pods map[row.Owner]bool) (map[row.Owner]string, error) {
	now := map[row.Owner]string{}
	if len(pods) > fewPods {
		list := pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) {
			return client.Pods(metav1.NamespaceAll).List(ctx, o)
		}))
		err := list.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
			p, ok := o.(*corev1.Pod)
			if !ok {
				return fmt.Errorf("a %T among pods", o)
			}
			if owner := pod.Owner(p.Namespace, p.Name); pods[owner] {
				now[owner] = pod.UID(kube.NewPod(p))
			}
			return nil
		})
		return now, err
	}
	for owner := range pods {
		p, err := client.Pods(owner.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			now[owner] = pod.UID(kube.NewPod(p))
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return now, nil
}
