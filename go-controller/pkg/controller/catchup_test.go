package controller

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clientgotesting "k8s.io/client-go/testing"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/kube/kubetest"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

func podOfUID(name, uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(uid)}}
}

func portOfUID(name, uid string) *nb.LogicalSwitchPort {
	return &nb.LogicalSwitchPort{
		Name: "ns/" + name, ExternalIDs: map[string]string{row.OwnerKey: "pod/ns/" + name}, Options: map[string]string{nodelink.InterfaceVersion: uid},
	}
}

// TestALateViewIsWaitedFor has a View that does not know yet what the leader before has written: a pod, or many, and one that
// was made anew under its name.
func TestALateViewIsWaitedFor(t *testing.T) {
	for _, many := range []int{1, fewPods + 1} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset(podOfUID("again", "2"), podOfUID("known", "1"))
				view := kube.NewView(podOfUID("again", "1"), podOfUID("known", "1"))
				ports := []*nb.LogicalSwitchPort{
					portOfUID("again", "2"), portOfUID("known", "1"), portOfUID("gone", "1"), {Name: "somebody's"}, {Name: "a-host", ExternalIDs: map[string]string{row.OwnerKey: "node/a"}},
				}
				var late []*corev1.Pod
				for i := range many {
					p := podOfUID(fmt.Sprint("new-", i), "1")
					late, ports = append(late, p), append(ports, portOfUID(p.Name, "1"))
					assert.NoError(t, client.Tracker().Add(p))
				}
				begin := time.Now()
				time.AfterFunc(5*time.Second, func() {
					for _, p := range late {
						view.Set(p)
					}
				})
				time.AfterFunc(7*time.Second, func() { view.Set(podOfUID("again", "2")) })
				assert.NoError(t, catchUp(t.Context(), kubetest.Client(client), view, ports, testr.New(t)))
				assert.InDelta(t, 7, time.Since(begin).Seconds(), 0.1)
			})
		})
	}
}

// A pod that goes while it is waited for is not waited for; nor is one that only the View knows.
func TestWhatIsGoneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(podOfUID("going", "1"))
		time.AfterFunc(3*time.Second, func() {
			assert.NoError(t, client.CoreV1().Pods("ns").Delete(context.Background(), "going", metav1.DeleteOptions{}))
		})
		begin := time.Now()
		ports := []*nb.LogicalSwitchPort{portOfUID("going", "1"), portOfUID("gone", "1")}
		assert.NoError(t, catchUp(t.Context(), kubetest.Client(client), kube.NewView(podOfUID("new", "1")), ports, testr.New(t)))
		assert.InDelta(t, 3, time.Since(begin).Seconds(), 1.1)
	})
}

// An API server that does not answer is asked again; one that need not be asked is not.
func TestAnAPIServerThatIsAwayIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var away atomic.Bool
		away.Store(true)
		client.PrependReactor("*", "pods", func(clientgotesting.Action) (bool, runtime.Object, error) {
			return away.Load(), nil, errors.New("no route to host")
		})
		view := kube.NewView(podOfUID("known", "1"))
		begin := time.Now()
		assert.NoError(t, catchUp(t.Context(), kubetest.Client(client), view, []*nb.LogicalSwitchPort{portOfUID("known", "1")}, testr.New(t)))
		assert.Zero(t, time.Since(begin))
		assert.Empty(t, client.Actions())

		time.AfterFunc(10*time.Second, func() { away.Store(false) })
		assert.NoError(t, catchUp(t.Context(), kubetest.Client(client), view, []*nb.LogicalSwitchPort{portOfUID("gone", "1")}, testr.New(t)))
		assert.InDelta(t, 10, time.Since(begin).Seconds(), 1.1)

		away.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		assert.ErrorIs(t, catchUp(ctx, kubetest.Client(client), view, []*nb.LogicalSwitchPort{portOfUID("gone", "1")}, testr.New(t)), context.DeadlineExceeded)
	})
}
