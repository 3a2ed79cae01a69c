package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/test/bench/figure"
	"github.com/woven-network/woven/test/bench/scrape"
)

// Where the manifests put the agent.
const (
	agentNamespace = "woven-system"
	agentLabel     = "app.kubernetes.io/name=woven-node"
	agentContainer = "agent"
	agentPort      = "9411"
)

// parts of CNI ADD, as the agent's metric names them and as people read them.
var parts = []struct{ label, shown string }{
	{"port_binding", "waiting for the port"}, {"interfaces", "making the interfaces"},
	{"addresses", "addresses in the pod"}, {"flows", "waiting for ovn-installed"},
}

func (b *bench) findAgent(ctx context.Context) (string, error) {
	pods, err := b.client.CoreV1().Pods(agentNamespace).List(ctx, metav1.ListOptions{LabelSelector: agentLabel, FieldSelector: "spec.nodeName=" + b.Node})
	if err != nil {
		return "", err
	}
	if len(pods.Items) != 1 {
		return "", fmt.Errorf("node %s has %d pods with %s in %s, not one; is it the name of a node with Woven?", b.Node, len(pods.Items), agentLabel, agentNamespace)
	}
	return pods.Items[0].Name, nil
}

// metrics asks the agent through the API server: the bench may run where the node cannot be reached.
func (b *bench) metrics(ctx context.Context) (scrape.Metrics, error) {
	text, err := b.client.CoreV1().Pods(agentNamespace).ProxyGet("http", b.agent, agentPort, "/metrics", nil).DoRaw(ctx)
	return scrape.Parse(string(text)), err
}

// adds returns what the agent says of the ADDs since a time: a pod, "<namespace>/<name>", and how long it took in milliseconds.
func (b *bench) adds(ctx context.Context, since time.Time) (map[string]float64, error) {
	at := metav1.NewTime(since.Add(-time.Second)) // The log's times are cut to whole seconds.
	text, err := b.client.CoreV1().Pods(agentNamespace).GetLogs(b.agent, &corev1.PodLogOptions{Container: agentContainer, SinceTime: &at}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	took := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var line struct{ Msg, Command, Pod, Took string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "done" || line.Command != "ADD" {
			continue
		}
		d, err := time.ParseDuration(line.Took)
		if err != nil {
			return nil, fmt.Errorf("the agent's log: %w", err)
		}
		took[line.Pod] = float64(d) / float64(time.Millisecond)
	}
	return took, nil
}

// idle watches an agent of which nothing is asked but this.
func (b *bench) idle(ctx context.Context) error {
	cpu := figure.Figure{Name: "agent: idle CPU", Unit: "% of a core", Target: figure.Number(0.1)}
	memory := figure.Figure{Name: "agent: memory", Unit: "MB", Target: figure.Number(30)}
	for range b.Repeats {
		before, err := b.metrics(ctx)
		if err != nil {
			return err
		}
		begin := time.Now()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(b.Idle):
		}
		took := time.Since(begin).Seconds()
		after, err := b.metrics(ctx)
		if err != nil {
			return err
		}
		cpu.Samples = append(cpu.Samples, 100*after.Since(before, "process_cpu_seconds_total")/took)
		memory.Samples = append(memory.Samples, after.Sum("process_resident_memory_bytes")/1e6)
	}
	b.add(cpu)
	b.add(memory)
	return nil
}
