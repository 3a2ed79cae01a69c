package controller

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// TestOperationsOfOneChange shows, in the words of ovn-nbctl, what one change of the cluster does to the database: the
// difference and nothing else.
func TestOperationsOfOneChange(t *testing.T) {
	l := newLab(t)
	w := newWorld(t)
	w.fill()
	engine := w.sync(t, l.config.OVN.Northbound)
	settle := func(t *testing.T, name string) {
		t.Helper()
		var owners []row.Owner
		for o := range w.marked {
			owners = append(owners, o)
		}
		clear(w.marked)
		require.NotEmpty(t, owners)
		for _, o := range owners {
			require.NoError(t, w.prepare(o)) // A plan gives no addresses.
		}
		plan, err := engine.Plan(t.Context(), owners...)
		require.NoError(t, err)
		golden.Compare(t, "change-"+name, plan.String())
		engine.Mark(owners...)
		waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		require.NoError(t, engine.Wait(waiting))
		plan, err = engine.Plan(t.Context())
		require.NoError(t, err)
		require.Empty(t, plan.String(), "once written, a recomputation of everything is no operation")
	}
	clear(w.marked)

	late := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "late", UID: "2"}, Spec: corev1.PodSpec{NodeName: "a"}}
	w.change(nil, late)
	settle(t, "pod-added")
	w.change(late, nil)
	settle(t, "pod-deleted")

	before := w.view.EndpointSlices("ns", "web")[0]
	after := before.DeepCopy()
	after.Endpoints = append(after.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.244.1.3"}})
	w.change(before, after)
	settle(t, "endpoint-added")

	moved := nodelink.Gateway{MAC: labGateway.MAC, Addresses: w.gateways.of("a").Addresses, NextHops: labGateway.NextHops}
	w.gateways.set("a", "row", moved.String())
	settle(t, "gateway-moved")

	for _, n := range w.view.Nodes() {
		w.change(n, nil)
	}
	for _, s := range w.view.Services() {
		w.change(s, nil)
	}
	for _, p := range w.view.Pods() {
		w.change(p, nil)
	}
	engine.MarkAll()
	waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	require.NoError(t, engine.Wait(waiting))
	l.eventually(t, "nothing but the cluster's own rows is left", func() bool {
		left := map[string]int{}
		for _, table := range row.Tables {
			for range l.northbound.Cache().Table(table.Name).RowsShallow() {
				left[table.Name]++
			}
		}
		return maps.Equal(left, map[string]int{
			"Logical_Router": 1, "Logical_Router_Port": 1, "Logical_Switch": 1, "Logical_Switch_Port": 1, "Load_Balancer_Group": 1,
			"Address_Set": 2, "Logical_Router_Policy": 2, "Copp": 3, "Meter": 20, "Meter_Band": 20,
		})
	})
}
