// Package node measures the node agent in a running cluster, with pods that a kubelet starts.
package node

import (
	"context"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/woven-network/woven/test/bench/figure"
)

// Options says what to measure.
type Options struct {
	// Kubeconfig is an administrator's of the cluster, Node the node that gets the pods.
	Kubeconfig, Node string
	// Repeats of a burst.
	Repeats int
	// Idle is how long the idle agent is watched.
	Idle time.Duration
	// Progress is told what happens.
	Progress io.Writer
}

const (
	// burstPods come at once; it is what a node gets that has been drained and comes back.
	burstPods = 30
	// singles is how many come one by one.
	singles = 20
	// namespace of the pods; it is made and deleted.
	namespace = "woven-bench"
)

// bench is a measurement under way.
type bench struct {
	Options
	client kubernetes.Interface
	// agent is the name of the agent's pod on the node.
	agent   string
	figures []figure.Figure
}

// Measure starts pods alone and in bursts and returns what their CNI ADD took, and what the agent needs when idle.
func Measure(ctx context.Context, o Options) ([]figure.Figure, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	b := &bench{Options: o, client: client}
	if b.agent, err = b.findAgent(ctx); err != nil {
		return nil, err
	}
	if err := b.makeNamespace(ctx); err != nil {
		return nil, err
	}
	defer func() {
		_ = client.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), namespace, metav1.DeleteOptions{})
	}()
	for _, step := range []func(context.Context) error{b.alone, b.bursts, b.idle} {
		if err := step(ctx); err != nil {
			return b.figures, err
		}
	}
	return b.figures, nil
}

// alone starts one pod after the other.
func (b *bench) alone(ctx context.Context) error {
	floor, err := floorOfVeths(ctx, singles, 1)
	if err != nil {
		return err
	}
	r, err := b.series(ctx, "alone", singles, 1)
	if err != nil {
		return err
	}
	b.show("alone", r, figure.Figure{Samples: floor}, nil, nil)
	return nil
}

// bursts starts burstPods pods at once, several times.
func (b *bench) bursts(ctx context.Context) error {
	floor, err := floorOfVeths(ctx, burstPods*b.Repeats, burstPods)
	if err != nil {
		return err
	}
	r, err := b.series(ctx, "burst", burstPods*b.Repeats, burstPods)
	if err != nil {
		return err
	}
	b.show("burst of 30", r, figure.Figure{Samples: floor}, figure.Number(150), figure.Number(500))
	return nil
}

// show adds the figures of one way to start pods.
func (b *bench) show(way string, r result, floor figure.Figure, p50, p99 *float64) {
	const isFloor = "the same veth with ip"
	least, most := floor.Spread()
	b.add(figure.Figure{Name: "CNI ADD, " + way + ", P50", Unit: "ms", Samples: r.adds, Target: p50, Floor: figure.Number(floor.Value()), FloorIs: isFloor})
	b.add(figure.Figure{Name: "CNI ADD, " + way + ", P99", Unit: "ms", Samples: r.adds, Percentile: 99, Target: p99, Floor: figure.Number(most), FloorIs: fmt.Sprintf("%s, slowest; fastest %.1f", isFloor, least)})
	for _, part := range parts {
		b.add(figure.Figure{Name: "CNI ADD, " + way + ", mean of " + part.shown, Unit: "ms", Samples: []float64{r.means[part.label]}})
	}
	b.add(figure.Figure{Name: "from Pod object to Running, " + way + ", P50", Unit: "ms", Samples: r.running})
}

func (b *bench) add(f figure.Figure) {
	f.Group = "Node"
	b.figures = append(b.figures, f)
	fmt.Fprintf(b.Progress, "%s = %.4g %s\n", f.Name, f.Value(), f.Unit)
}
