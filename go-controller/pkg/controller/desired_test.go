package controller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

func labelled(name, uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(uid)}, Spec: corev1.PodSpec{NodeName: "a"}}
}

func (w *world) addressesOf(t *testing.T, name string) string {
	t.Helper()
	rows, err := w.translate(pod.Owner("ns", name))
	require.NoError(t, err)
	if len(rows) == 0 {
		return ""
	}
	return rows[0].Model.(*nb.LogicalSwitchPort).Addresses[0]
}

func TestPodMadeAnewGetsAnotherAddress(t *testing.T) {
	w := newWorld(t)
	w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}})
	w.view.Set(labelled("db-0", "1"))
	assert.Equal(t, "0a:58:0a:f4:01:03 10.244.1.3", w.addressesOf(t, "db-0"))
	w.view.Set(labelled("db-0", "2"))
	assert.Equal(t, "0a:58:0a:f4:01:04 10.244.1.4", w.addressesOf(t, "db-0"))
	w.view.Unset(labelled("db-0", "2"))
	assert.Empty(t, w.addressesOf(t, "db-0"))
	assert.Zero(t, w.pods.Holders())
}

func TestNodeThatComesBackFindsItsPodsUnchanged(t *testing.T) {
	w := newWorld(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}}
	w.view.Set(node)
	w.view.Set(labelled("first", "1"))
	before := w.addressesOf(t, "first")
	w.view.Unset(node)
	assert.Empty(t, w.addressesOf(t, "first"), "no node, no switch, no port")
	heir := node.DeepCopy()
	heir.Name = "b"
	w.view.Set(heir)
	second := labelled("second", "2")
	second.Spec.NodeName = "b"
	w.view.Set(second)
	assert.NotEqual(t, before, w.addressesOf(t, "second"), "an address of a pod that may run is nobody else's")
	w.view.Unset(heir)
	w.view.Set(node)
	assert.Equal(t, before, w.addressesOf(t, "first"))
}

func TestExhaustedSubnetIsToldAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		recorder := record.NewFakeRecorder(10)
		w.problems = newProblems(recorder, func(row.Owner) corev1.ObjectReference { return corev1.ObjectReference{} }, time.Second)
		w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/29"}}})
		for i := range 5 {
			name := fmt.Sprint("p", i)
			w.view.Set(labelled(name, name))
			w.addressesOf(t, name)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Contains(t, <-recorder.Events, "Warning SubnetExhausted subnet 10.244.1.0/29 exhausted")
		clear(w.marked)
		w.view.Unset(labelled("p1", "p1"))
		assert.Empty(t, w.addressesOf(t, "p1"))
		assert.Equal(t, map[row.Owner]bool{pod.Owner("ns", "p4"): true}, w.marked, "the pod that waits is looked at again")
		assert.Contains(t, w.addressesOf(t, "p4"), "10.244.1.4")
		assert.Zero(t, w.problems.count())
	})
}

// BenchmarkStart measures the translation of a large cluster's pods, as at a start.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b)
	for i := range 250 {
		name := fmt.Sprint("node-", i)
		w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: []string{
			fmt.Sprintf("10.244.%d.0/24", i), fmt.Sprintf("fd00:10:244:%x::/64", i)}}})
		for j := range 40 {
			p := labelled(fmt.Sprintf("p-%d-%d", i, j), "1")
			p.Spec.NodeName = name
			w.view.Set(p)
		}
	}
	for b.Loop() {
		for _, o := range w.owners() {
			if _, err := w.translate(o); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestSecondFamilyIsForNewPods gives a node the other IP family, as happens when a cluster becomes dual-stack: the Node
// is deleted and registers again, for its podCIDRs cannot be changed.
func TestSecondFamilyIsForNewPods(t *testing.T) {
	for first, both := range map[string]string{"10.244.1.0/24": "0a:58:0a:f4:01:03 10.244.1.3", "fd00:10:244:1::/64": "0a:58:00:00:00:03 fd00:10:244:1::3"} {
		w := newWorld(t)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{first}}}
		w.view.Set(node)
		w.view.Set(labelled("old", "1"))
		assert.Equal(t, both, w.addressesOf(t, "old"))
		again := node.DeepCopy()
		again.Spec.PodCIDRs = []string{"10.244.1.0/24", "fd00:10:244:1::/64"}
		w.view.Set(again)
		w.view.Set(labelled("new", "2"))
		assert.Equal(t, both, w.addressesOf(t, "old"), "a running pod keeps its addresses and its MAC")
		assert.Regexp(t, `0a:58:0a:f4:01:0[34] 10.244.1.[34] fd00:10:244:1::[34]$`, w.addressesOf(t, "new"))
		w.view.Set(node)
		assert.Equal(t, both, w.addressesOf(t, "old"))
	}
}

func TestPodThatRunsWithOtherAddressesIsTold(t *testing.T) {
	for name, c := range map[string]struct{ runs, reason, says string }{
		"another network's": {"10.0.7.7", "AddressChanged", "the pod runs with the address 10.0.7.7, which is not of its node's network; delete this pod so that it gets another"},
		"another pod's":     {"10.244.1.3", "AddressTaken", "the pod runs with the address 10.244.1.3, which is that of pod ns/first; delete this pod so that it gets another"},
		"its own":           {"10.244.1.4", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}})
			w.view.Set(labelled("first", "1"))
			w.addressesOf(t, "first")
			p := labelled("second", "2")
			p.Status.PodIPs = []corev1.PodIP{{IP: c.runs}}
			w.view.Set(p)
			assert.Equal(t, "0a:58:0a:f4:01:04 10.244.1.4", w.addressesOf(t, "second"), "it has a port all the same")
			problem := w.problems.open[subject{owner: pod.Owner("ns", "second")}]
			if c.reason == "" {
				assert.Nil(t, problem)
				return
			}
			require.NotNil(t, problem)
			assert.Equal(t, c.reason, problem.reason)
			assert.Equal(t, c.says, problem.message)
			w.view.Unset(p)
			w.addressesOf(t, "second")
			assert.Zero(t, w.problems.count())
		})
	}
}

// A plan asks what should be and gives no address, opens no problem and marks no owner.
func TestRowsChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/29"}}})
	for i := range 9 {
		w.view.Set(labelled(fmt.Sprint("p", i), fmt.Sprint(i)))
	}
	clear(w.marked)
	for _, o := range w.owners() {
		_, err := w.rows(o)
		require.NoError(t, err)
	}
	assert.Zero(t, w.pods.Holders())
	assert.Zero(t, w.joins.Holders())
	assert.Zero(t, w.problems.count())
	assert.Empty(t, w.holders)
	assert.Empty(t, w.marked)
}

// An address of a deleted pod is not given to another before the database shows neither its port nor its sets.
func TestAnAddressRestsUntilItsRowsAreGone(t *testing.T) {
	w := newWorld(t)
	w.view.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}})
	w.view.Set(labelled("old", "1"))
	owner := pod.Owner("ns", "old")
	w.addressesOf(t, "old")
	w.view.Unset(labelled("old", "1"))
	require.NoError(t, w.prepare(owner))
	rows, err := w.rows(owner)
	require.NoError(t, err)
	require.Empty(t, rows)
	w.report(owner, nbsync.Status{State: nbsync.Waiting})
	assert.Equal(t, 1, w.pods.Holders(), "the engine has not written that yet")
	w.report(owner, nbsync.Status{State: nbsync.InSync})
	assert.Zero(t, w.pods.Holders())
}

// translate prepares an owner, returns its rows, and takes them for written.
func (d *desired) translate(owner row.Owner) ([]row.Row, error) {
	if err := d.prepare(owner); err != nil {
		return nil, err
	}
	rows, err := d.rows(owner)
	d.report(owner, nbsync.Status{State: nbsync.InSync})
	return rows, err
}
