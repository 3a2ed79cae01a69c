package controller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

func TestProblemsBecomeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := record.NewFakeRecorder(10)
		p := newProblems(recorder, func(row.Owner) corev1.ObjectReference { return corev1.ObjectReference{} }, 15*time.Second)
		events := func() (all []string) {
			synctest.Wait()
			for {
				select {
				case e := <-recorder.Events:
					all = append(all, e)
				default:
					return all
				}
			}
		}
		node := subject{owner: topology.Owner("a")}
		p.found(node, "NoPodCIDR", "none yet")
		time.Sleep(10 * time.Second)
		p.solved(node)
		time.Sleep(time.Minute)
		assert.Empty(t, events(), "what passes by itself is no problem")

		p.found(node, "NoPodCIDR", "none yet")
		time.Sleep(20 * time.Second)
		p.found(node, "NoPodCIDR", "none yet")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"Warning NoPodCIDR none yet"}, events(), "one Event, however often it is found")
		assert.Equal(t, 1, p.count())

		p.found(node, "PodCIDRConflict", "another has it")
		time.Sleep(20 * time.Second)
		assert.Equal(t, []string{"Warning PodCIDRConflict another has it"}, events())
		p.solved(node)
		assert.Equal(t, 0, p.count())
	})
}
