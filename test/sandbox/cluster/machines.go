package cluster

import (
	"context"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/woven-network/woven/test/sandbox/fabric"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// nodeFolders are bound over by a folder of each node's own: nodes share one disk, and what one keeps there must
// not be seen by the others. /etc, /opt and /run are a node's own already.
var nodeFolders = []string{
	"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/woven", "/var/lib/openvswitch", "/var/lib/ovn",
	"/var/log/pods", "/var/log/containers", "/var/log/openvswitch", "/var/log/ovn",
}

func (c *Cluster) startMachines(context.Context) error {
	if _, err := machine.Start(machine.Spec{Name: plan.Fabric}); err != nil {
		return err
	}
	if _, err := machine.Start(machine.Spec{Name: plan.External}); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		s, err := c.nodeSpec(n)
		if err != nil {
			return err
		}
		if _, err := machine.Start(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) nodeSpec(n plan.Machine) (machine.Spec, error) {
	s := machine.Spec{
		Name:   n.Name,
		Mounts: []machine.Mount{machine.Overlay(n.Name, "/etc"), machine.Overlay(n.Name, "/opt"), machine.Tmpfs("/run")},
		Files: map[string]string{
			"/etc/hostname":                      n.Name + "\n",
			"/etc/hosts":                         hosts(c.Machines()),
			"/etc/resolv.conf":                   kube.ResolvConf(c.Plan),
			"/etc/containerd/config.toml":        string(kube.ContainerdConfig("localhost/pause:dev")),
			"/etc/kubernetes/manifests/.keep":    "",
			filepath.Join(kube.CNIConf, ".keep"): "",
			"/run/netns/.keep":                   "",
			"/run/lock/.keep":                    "",
		},
	}
	for _, dir := range nodeFolders {
		s.Mounts = append(s.Mounts, machine.Bind(n.Name, dir))
	}
	if n.Name == plan.ControlPlane {
		listen, err := apiForward()
		if err != nil {
			return s, err
		}
		s.Forwards = []machine.Forward{{Listen: listen, To: c.APIServer().String()}}
	}
	return s, nil
}

func hosts(machines []plan.Machine) string {
	var text strings.Builder
	text.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, m := range machines {
		for _, ip := range m.IPs() {
			text.WriteString(ip.String() + " " + m.Name + "\n")
		}
	}
	return text.String()
}

func (c *Cluster) layNetwork(ctx context.Context) error {
	f, err := node(plan.Fabric)
	if err != nil {
		return err
	}
	if err := fabric.SetUpBridge(f, c.Plan); err != nil {
		return err
	}
	g, _ := errgroup.WithContext(ctx)
	for _, m := range c.Machines() {
		g.Go(func() error {
			running, err := node(m.Name)
			if err != nil {
				return err
			}
			return fabric.Plug(f, running, c.Plan, m.Addresses)
		})
	}
	return g.Wait()
}

// onNodes runs f for all nodes at the same time.
func (c *Cluster) onNodes(ctx context.Context, f func(context.Context, plan.Machine, machine.Machine) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		g.Go(func() error {
			m, err := node(n.Name)
			if err != nil {
				return err
			}
			return f(ctx, n, m)
		})
	}
	return g.Wait()
}
