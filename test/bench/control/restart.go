package control

import (
	"context"
	"fmt"
	"time"

	"github.com/woven-network/woven/test/bench/figure"
	"github.com/woven-network/woven/test/bench/process"
)

// late is how long after a restart writes are still looked for.
const late = 2 * time.Second

// restarts ends the controller and starts it anew over an unchanged cluster, several times.
func (b *bench) restarts(ctx context.Context, size int) error {
	synced := figure.Figure{Name: "restart to synced", Pods: size, Unit: "s", FloorIs: "reading the API and NB alone"}
	written := figure.Figure{Name: "restart: rows written", Pods: size, Target: figure.Number(0)}
	memory := figure.Figure{Name: "memory after a restart", Pods: size, Unit: "MB"}
	if target, ok := restartTargets[size]; ok {
		synced.Target = figure.Number(target)
	}
	if target, ok := memoryTargets[size]; ok {
		memory.Target = figure.Number(target)
	}
	var floors []float64
	for range b.Repeats {
		b.controller.Stop()
		if err := b.settle(ctx); err != nil {
			return err
		}
		floor, err := b.floorOfRestart(ctx)
		if err != nil {
			return err
		}
		floors = append(floors, floor.Seconds())
		before := b.monitor.changes()
		if b.controller, err = b.startController(b.Program); err != nil {
			return err
		}
		took, err := b.controller.awaitSync(ctx)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(late):
		}
		n := b.monitor.changes() - before
		if n > 0 {
			fmt.Fprintln(b.Progress, "rows written so far, by table:", b.monitor.byTable())
		}
		resident, err := process.Resident(b.controller.PID)
		if err != nil {
			return err
		}
		synced.Samples = append(synced.Samples, took.Seconds())
		written.Samples = append(written.Samples, float64(n))
		memory.Samples = append(memory.Samples, float64(resident)/1e6)
	}
	synced.Floor = figure.Number(figure.Figure{Samples: floors}.Value())
	for _, f := range []figure.Figure{synced, written, memory} {
		b.add(f)
	}
	return nil
}
