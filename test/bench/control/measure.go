package control

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/woven-network/woven/test/bench/figure"
	"github.com/woven-network/woven/test/bench/process"
)

// Options says what to measure.
type Options struct {
	// Program is the path of woven-controller.
	Program string
	// Sizes are the numbers of pods, growing; each at least burstPods.
	Sizes []int
	// Repeats of what takes long.
	Repeats int
	// Idle is how long the idle controller is watched.
	Idle time.Duration
	// Steps are the names of what to measure: "burst", "one", "memory", "restart", "idle".
	Steps []string
	// Wait leaves everything running in the end, until the context ends: for a look at it with a profiler.
	Wait bool
	// Keep keeps the folder with data and logs.
	Keep bool
	// Progress is told what happens.
	Progress io.Writer
}

const (
	// burstPods is the number of pods that come at once.
	burstPods = 1000
	// singles is how often one pod is added alone.
	singles = 25
	// patience is the longest that anything may take.
	patience = 10 * time.Minute
)

// Targets of the project, by figure; memory, restart and idle are for the sizes named.
var (
	memoryTargets  = map[int]float64{5000: 60, 50_000: 300}
	restartTargets = map[int]float64{5000: 2, 50_000: 10}
	idleTargets    = map[int]float64{5000: 0.1}
)

// bench is a measurement under way.
type bench struct {
	Options
	*world
	controller *controller
	generation int
	figures    []figure.Figure
}

// Measure grows a cluster from nothing through all sizes and returns the figures of each.
func Measure(ctx context.Context, o Options) ([]figure.Figure, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	if o.Keep {
		fmt.Fprintln(o.Progress, "data and logs:", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	w, err := newWorld(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	b := &bench{Options: o, world: w}
	defer func() {
		if b.controller != nil {
			b.controller.Kill()
		}
	}()
	for _, size := range o.Sizes {
		steps := []struct {
			name string
			do   func(context.Context, int) error
		}{
			{"grow", b.grow}, {"burst", b.bursts}, {"one", b.onePod}, {"memory", b.memory}, {"restart", b.restarts}, {"idle", b.idle},
		}
		for _, step := range steps {
			if step.name != "grow" && !slices.Contains(o.Steps, step.name) {
				continue
			}
			begin := time.Now()
			if err := step.do(ctx, size); err != nil {
				return b.figures, fmt.Errorf("%s at %d pods: %w", step.name, size, err)
			}
			fmt.Fprintf(o.Progress, "%6d pods: %-8s %6.1f s\n", size, step.name, time.Since(begin).Seconds())
		}
	}
	if o.Wait {
		fmt.Fprintln(o.Progress, "waiting; metrics and profiles:", b.controller.metricsURL)
		<-ctx.Done()
	}
	return b.figures, nil
}

// grow makes pods until there are burstPods fewer than size (all, when bursts are not measured), while no controller runs, and then has it catch up.
func (b *bench) grow(ctx context.Context, size int) error {
	from, to := b.pods, size
	if slices.Contains(b.Steps, "burst") {
		to -= burstPods
	}
	if b.controller != nil {
		b.controller.Stop()
		b.controller = nil
	}
	if err := b.addNodes(ctx, (from+podsPerNode-1)/podsPerNode, (size+podsPerNode-1)/podsPerNode); err != nil {
		return err
	}
	ports, err := b.addPods(ctx, from, to, b.generation)
	if err != nil {
		return err
	}
	b.monitor.forget()
	if b.controller, err = b.startController(b.Program); err != nil {
		return err
	}
	took, err := b.controller.awaitSync(ctx)
	if err != nil {
		return err
	}
	b.pods = to
	if len(ports) == 0 {
		return b.settle(ctx)
	}
	found, err := b.monitor.await(ports, patience)
	if err != nil {
		return err
	}
	b.add(figure.Figure{Name: "new pods per second at a start", Pods: size, Unit: "1/s", Samples: []float64{float64(len(ports)) / took.Seconds()}, AtLeast: true})
	if err := b.report(ctx, found); err != nil {
		return err
	}
	return b.settle(ctx)
}

// add notes a figure of the controller.
func (b *bench) add(f figure.Figure) {
	f.Group = "Controller"
	b.figures = append(b.figures, f)
	fmt.Fprintf(b.Progress, "%6d pods: %s = %.4g %s %.4g\n", f.Pods, f.Name, f.Value(), f.Unit, f.Samples)
}

// settle waits until northd has done its part and nothing moves any more.
func (b *bench) settle(ctx context.Context) error {
	if _, err := b.tool(ctx, "ovn-nbctl", "--db="+b.north.remote, "--timeout=600", "--wait=sb", "sync"); err != nil {
		return err
	}
	for before, quiet := b.monitor.changes(), 0; quiet < 5; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		now := b.monitor.changes()
		if quiet++; now != before {
			before, quiet = now, 0
		}
	}
	return nil
}

// memory reads what the controller has after all that went before: not only what it needs, but also what the work has
// left.
func (b *bench) memory(_ context.Context, size int) error {
	f := figure.Figure{Name: "memory after bursts", Pods: size, Unit: "MB"}
	resident, err := process.Resident(b.controller.PID)
	if err != nil {
		return err
	}
	f.Samples = []float64{float64(resident) / 1e6}
	if target, ok := memoryTargets[size]; ok {
		f.Target = figure.Number(target)
	}
	northbound, err := process.Resident(b.north.process.PID)
	f.Floor, f.FloorIs = figure.Number(float64(northbound)/1e6), "ovsdb-server with the same rows"
	b.add(f)
	return err
}

// idle watches a controller of which nothing is asked.
func (b *bench) idle(ctx context.Context, size int) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	f := figure.Figure{Name: "idle CPU", Pods: size, Unit: "% of a core"}
	for range b.Repeats {
		share, err := process.Idle(ctx, b.controller.PID, b.Idle/time.Duration(b.Repeats))
		if err != nil {
			return err
		}
		f.Samples = append(f.Samples, share)
	}
	if target, ok := idleTargets[size]; ok {
		f.Target = figure.Number(target)
	}
	b.add(f)
	return nil
}
