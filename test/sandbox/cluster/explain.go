package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// explainRollout appends to rolloutLog what an administrator would look at: events, the last lines of pods that are
// not ready, and the pods. It has no context, since it speaks when the caller's may have ended.
func (c *Cluster) explainRollout(namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f, err := os.OpenFile(rolloutLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	c.show(ctx, f, "get", "events", "--namespace", namespace, "--sort-by=.lastTimestamp")
	for _, pod := range c.unready(ctx, namespace) {
		for _, container := range pod.containers {
			c.show(ctx, f, "logs", "--namespace", namespace, pod.name, "--container", container, "--tail=5")
		}
	}
	c.show(ctx, f, "get", "pods", "--namespace", namespace, "--output=wide")
}

// show writes a kubectl command and what it says, its failure included.
func (c *Cluster) show(ctx context.Context, w io.Writer, args ...string) {
	cmd := c.kubectl(ctx, args...)
	fmt.Fprintf(w, "\n+ kubectl %s\n", strings.Join(args, " "))
	cmd.Stdout, cmd.Stderr = w, w
	_ = cmd.Run() // its failure is in the log
}

type unreadyPod struct {
	name       string
	containers []string
}

// unready lists the pods of a namespace that are not ready, with their containers, those for initialization first.
func (c *Cluster) unready(ctx context.Context, namespace string) []unreadyPod {
	out, err := c.kubectl(ctx, "get", "pods", "--namespace", namespace, "--output",
		`jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {.metadata.name} {.spec.initContainers[*].name} {.spec.containers[*].name}{"\n"}{end}`).Output()
	if err != nil {
		return nil
	}
	var pods []unreadyPod
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] != "True" {
			pods = append(pods, unreadyPod{f[1], f[2:]})
		}
	}
	return pods
}
