// bench measures Woven and shows the figures: as a table on its output, in out/bench.json and out/bench.svg. See
// docs/performance.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/woven-network/woven/test/bench/control"
	"github.com/woven-network/woven/test/bench/figure"
	"github.com/woven-network/woven/test/bench/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	sizes := flag.String("sizes", "1000,5000,15000,50000", "numbers of pods, growing")
	repeats := flag.Int("repeats", 3, "how often to measure what takes long")
	idle := flag.Duration("idle", time.Minute, "how long to watch an idle process")
	out := flag.String("out", "out", "folder with the programs to measure, and for the results")
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "of a running cluster, for what is measured on a node")
	onNode := flag.String("node", "", "the node to measure; empty leaves that out")
	keep := flag.Bool("keep", false, "keep data and logs")
	steps := flag.String("steps", "burst,one,memory,restart,idle", "what to measure of the controller; empty leaves it out")
	wait := flag.Bool("wait", false, "leave everything running in the end, for a look at it")
	flag.Parse()
	o := control.Options{
		Program: filepath.Join(*out, "woven-controller"), Repeats: *repeats, Idle: *idle, Keep: *keep, Progress: os.Stderr,
		Steps: strings.Split(*steps, ","), Wait: *wait,
	}
	for _, text := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 {
			return fmt.Errorf("--sizes: %q is not a number of at least 1000", text)
		}
		o.Sizes = append(o.Sizes, n)
	}
	var figures []figure.Figure
	var errs []error
	if *onNode != "" {
		measured, err := node.Measure(ctx, node.Options{Kubeconfig: *kubeconfig, Node: *onNode, Repeats: *repeats, Idle: *idle, Progress: os.Stderr})
		figures, errs = append(figures, measured...), append(errs, err)
	}
	if *steps != "" {
		measured, err := control.Measure(ctx, o)
		figures, errs = append(figures, measured...), append(errs, err)
	}
	if len(figures) > 0 {
		errs = append(errs, show(figures, *out))
	}
	return errors.Join(errs...)
}

// show writes the table, the JSON and the chart.
func show(figures []figure.Figure, dir string) error {
	if err := figure.Table(os.Stdout, figures); err != nil {
		return err
	}
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	chart, err := os.Create(filepath.Join(dir, "bench.svg"))
	if err != nil {
		return err
	}
	defer chart.Close()
	return figure.Chart(chart, figures)
}
