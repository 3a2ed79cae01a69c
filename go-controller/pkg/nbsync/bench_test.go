package nbsync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// BenchmarkAddPod adds a pod to a cluster that has 5,000, all in one port group and one address set, which is the
// worst case of the sets: time, memory, and the plan's share of both, which must not grow with the cluster.
func BenchmarkAddPod(b *testing.B) {
	for _, pods := range []int{500, 5000} {
		b.Run(fmt.Sprint(pods, " pods"), func(b *testing.B) {
			w := newWorld(b)
			many(w, pods)
			w.start()
			more := pod("default/more", "worker-1", "10.245.0.1",
				in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.245.0.1"))
			b.Run("whole", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.sync(owner("pod/default/more"), more)
					b.StopTimer()
					w.sync(owner("pod/default/more"))
					b.StartTimer()
				}
			})
			b.Run("plan", func(b *testing.B) {
				w.want(owner("pod/default/more"), more)
				s := w.fresh()
				t, err := s.translate(owner("pod/default/more"))
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					plan, _ := s.plan(newView(s, true), []*translation{t})
					require.Len(b, plan.Ops, 4)
				}
				w.want(owner("pod/default/more"))
			})
			b.Run("nothing", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.engine.Mark(owner("pod/default/web-7"))
					w.settle()
				}
			})
			b.Run("restart", func(b *testing.B) {
				for b.Loop() {
					w.fresh()
				}
			})
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		many(w, 5000)
		w.start()
		_ = row.Cluster
	}
}
