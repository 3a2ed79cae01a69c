package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Status tells which machines and services run, where their logs are, and what Kubernetes says of the nodes.
func (c *Cluster) Status(ctx context.Context) error {
	for _, p := range append(c.Machines(), plan.Machine{Name: plan.Fabric, Addresses: c.Gateway}) {
		m, ok := machine.Find(p.Name)
		if !ok {
			fmt.Fprintf(c.out, "%-15s NOT RUNNING; `make up` starts it\n", p.Name)
			continue
		}
		services, err := m.Services()
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%-15s process %-8d %s\n", p.Name, m.PID, kube.Join(p.IPs()))
		for _, s := range services {
			state := "running"
			if !s.Running {
				state = "NOT RUNNING"
			}
			if s.Restarts > 0 {
				state += fmt.Sprintf(", %d restarts", s.Restarts)
			}
			fmt.Fprintf(c.out, "  %-24s %-24s %s\n", s.Name, state, machine.Log(p.Name, s.Name))
		}
	}
	var err error
	if c.programs.Kubernetes, err = c.kubernetes(); err != nil {
		return err
	}
	for _, what := range []string{"nodes", "pods --all-namespaces"} {
		args := append([]string{"get", "--output=wide"}, strings.Fields(what)...)
		cmd := c.kubectl(ctx, args...)
		cmd.Stdout, cmd.Stderr = c.out, c.out
		fmt.Fprintln(c.out)
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("kubectl get %s: %w", what, err)
		}
	}
	return nil
}
