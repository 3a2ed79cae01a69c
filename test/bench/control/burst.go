package control

import (
	"context"
	"fmt"
	"time"

	"github.com/woven-network/woven/test/bench/figure"
	"github.com/woven-network/woven/test/bench/process"
	"github.com/woven-network/woven/test/bench/scrape"
)

// bursts adds burstPods pods as fast as the API server takes them, several times; the last ones stay.
func (b *bench) bursts(ctx context.Context, size int) error {
	one := func(name, unit string) figure.Figure { return figure.Figure{Name: name, Pods: size, Unit: unit} }
	rate, lag := one("burst: pods per second", "1/s"), one("burst: last port behind last pod", "ms")
	transactions, operations := one("burst: NB transactions per pod", ""), one("burst: NB operations per pod", "")
	writes, cpu := one("burst: API writes of the controller", ""), one("burst: controller CPU per pod", "ms")
	transactions.Target, writes.Target = figure.Number(0.1), figure.Number(0)
	rate.AtLeast = true
	rate.FloorIs = "ovn-nbctl, one batch, alone"
	operations.Floor, operations.FloorIs = figure.Number(1), "inserts"

	for repeat := range b.Repeats {
		if repeat > 0 {
			if err := b.removeBurst(ctx, size); err != nil {
				return err
			}
		}
		b.generation++
		before, err := b.reading(ctx)
		if err != nil {
			return err
		}
		begin := time.Now()
		ports, err := b.addPods(ctx, size-burstPods, size, b.generation)
		if err != nil {
			return err
		}
		accepted := time.Now()
		found, err := b.monitor.await(ports, patience)
		if err != nil {
			return err
		}
		last := latest(found)
		if err := b.settle(ctx); err != nil {
			return err
		}
		after, err := b.reading(ctx)
		if err != nil {
			return err
		}
		rate.Samples = append(rate.Samples, burstPods/last.Sub(begin).Seconds())
		lag.Samples = append(lag.Samples, max(0, milliseconds(last.Sub(accepted))))
		transactions.Samples = append(transactions.Samples, after.metrics.Since(before.metrics, "woven_nbsync_transactions_total")/burstPods)
		operations.Samples = append(operations.Samples, after.metrics.Since(before.metrics, "woven_nbsync_operations_total")/burstPods)
		writes.Samples = append(writes.Samples, float64(after.writes-before.writes))
		cpu.Samples = append(cpu.Samples, milliseconds(after.cpu-before.cpu)/burstPods)
		if repeat == b.Repeats-1 {
			floor, err := b.floorOfRows(ctx, found)
			if err != nil {
				return err
			}
			rate.Floor = figure.Number(burstPods / floor.Seconds())
			if err := b.report(ctx, found); err != nil {
				return err
			}
		}
	}
	b.pods = size
	for _, f := range []figure.Figure{rate, lag, transactions, operations, writes, cpu} {
		b.add(f)
	}
	return b.settle(ctx)
}

// removeBurst takes the pods of the last burst away.
func (b *bench) removeBurst(ctx context.Context, size int) error {
	if err := b.removePods(ctx, size-burstPods, size, b.generation); err != nil {
		return err
	}
	return b.settle(ctx)
}

// reading is what counters say at one moment.
type reading struct {
	metrics scrape.Metrics
	// writes to the API, but for the leader's Lease.
	writes int
	cpu    time.Duration
}

func (b *bench) reading(ctx context.Context) (r reading, err error) {
	if r.metrics, err = b.controller.metrics(ctx); err != nil {
		return r, err
	}
	if r.writes, _, err = b.apiWrites(); err != nil {
		return r, err
	}
	r.cpu, err = process.CPU(b.controller.PID)
	return r, err
}

func latest(ports map[string]port) time.Time {
	var last time.Time
	for _, p := range ports {
		if p.seen.After(last) {
			last = p.seen
		}
	}
	return last
}

// onePod adds single pods while nothing else happens, and takes them away again.
func (b *bench) onePod(ctx context.Context, size int) error {
	inside := figure.Figure{Name: "one pod: time in the controller", Pods: size, Unit: "ms", Target: figure.Number(5)}
	outside := figure.Figure{Name: "one pod: from the API's event to its row", Pods: size, Unit: "ms"}
	events, stop, err := b.podEvents(ctx)
	if err != nil {
		return err
	}
	defer stop()
	// The last burst's pods fill their nodes; two addresses of each are left.
	for range singles {
		b.generation++
		before, err := b.controller.metrics(ctx)
		if err != nil {
			return err
		}
		ports, err := b.addPods(ctx, size-1, size, b.generation)
		if err != nil {
			return err
		}
		found, err := b.monitor.await(ports, patience)
		if err != nil {
			return err
		}
		told, err := events.await(ctx, podName(size-1, b.generation))
		if err != nil {
			return err
		}
		outside.Samples = append(outside.Samples, milliseconds(latest(found).Sub(told)))
		if err := b.settle(ctx); err != nil {
			return err
		}
		after, err := b.controller.metrics(ctx)
		if err != nil {
			return err
		}
		if n := after.Since(before, "woven_nbsync_transactions_total"); n != 1 {
			return fmt.Errorf("one pod took %g transactions", n)
		}
		in := after.Since(before, "woven_nbsync_sync_seconds_sum") - after.Since(before, "woven_nbsync_transaction_seconds_sum")
		inside.Samples = append(inside.Samples, 1000*in)
		if err := b.removePods(ctx, size-1, size, b.generation); err != nil {
			return err
		}
		if err := b.settle(ctx); err != nil {
			return err
		}
	}
	floor, err := b.floorOfOnePod(singles)
	if err != nil {
		return err
	}
	outside.Floor, outside.FloorIs = figure.Number(figure.Figure{Samples: floor}.Value()), "the database alone"
	b.add(inside)
	b.add(outside)
	return nil
}
