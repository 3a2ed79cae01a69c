package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
	"github.com/woven-network/woven/test/sandbox/step"
)

func (c *Cluster) startContainerd(ctx context.Context) error {
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return err
	}
	loopback := filepath.Join(c.programs.Addons, "loopback")
	return c.onNodes(ctx, func(_ context.Context, n plan.Machine, m machine.Machine) error {
		// containerd calls it for every pod, whatever the pod network is.
		if err := m.Run("install", "-D", loopback, filepath.Join(kube.CNIBin, "loopback")); err != nil {
			return err
		}
		err := m.StartService(machine.Service{Name: "containerd", Args: []string{containerd, "--config=/etc/containerd/config.toml"}})
		if err != nil {
			return err
		}
		// `ctr version` waits for the socket to answer.
		if err := m.Run("ctr", "--connect-timeout", "30s", "--address", kube.ContainerdSocket, "version"); err != nil {
			return &step.LogError{Err: err, Log: machine.Log(n.Name, "containerd")}
		}
		return nil
	})
}

func (c *Cluster) startKubelets(ctx context.Context) error {
	p := c.paths()
	return c.onNodes(ctx, func(ctx context.Context, n plan.Machine, m machine.Machine) error {
		config := kube.KubeletConfig(c.Plan, n, p)
		if err := os.WriteFile(filepath.Join(confDir, kube.KubeletName(n.Name)+".yaml"), config, 0o600); err != nil {
			return err
		}
		s := machine.Service{Name: "kubelet", Args: kube.KubeletArgs(n, p), Version: deps.Key(string(config))}
		if err := m.StartService(s); err != nil {
			return err
		}
		if err := c.runKubectl(ctx, "", "wait", "--for=create", "node/"+n.Name, "--timeout=90s"); err != nil {
			return &step.LogError{Err: fmt.Errorf("%s does not register: %w", n.Name, err), Log: machine.Log(n.Name, "kubelet")}
		}
		// A kubelet may not give itself roles.
		role := "worker"
		if n.Name == plan.ControlPlane {
			role = "control-plane"
		}
		return c.runKubectl(ctx, "", "label", "--overwrite", "node", n.Name, "node-role.kubernetes.io/"+role+"=")
	})
}
