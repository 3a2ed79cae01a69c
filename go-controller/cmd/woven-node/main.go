// Command woven-node is Woven's node agent. It runs on every node, on the host's network, and needs no access to the
// Kubernetes API: NODE_NAME and NODE_IPS tell it who it is, a file how the cluster is configured.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/woven-network/woven/go-controller/pkg/agent"
	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/logging"
)

func main() {
	root := &cobra.Command{Use: "woven-node", Short: "Woven's node agent", Version: config.Version, SilenceUsage: true}
	root.AddCommand(run(), uninstall(), installCNI())
	root.AddCommand(endpoint.Commands()...)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

// flags are the paths, which differ from the defaults in tests only.
type flags struct {
	config, ovsRunDir, socket, confDir, binDir string
	endpoints                                  endpoint.Addresses
}

func (f *flags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", config.DefaultPath, "the cluster's configuration")
	c.Flags().StringVar(&f.ovsRunDir, "ovs-rundir", "/run/openvswitch", "directory of Open vSwitch's sockets")
	c.Flags().StringVar(&f.socket, "socket", cni.DefaultSocket, "socket for the CNI shim")
	c.Flags().StringVar(&f.confDir, "cni-conf-dir", "/etc/cni/net.d", "directory of the container runtime's network configurations")
}

func (f *flags) options() (agent.Options, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return agent.Options{}, err
	}
	log, err := logging.New("woven-node", c.LogLevel)
	if err != nil {
		return agent.Options{}, err
	}
	o := agent.Options{
		Node: os.Getenv("NODE_NAME"), Config: c, OVSRunDir: f.ovsRunDir, Socket: f.socket, ConfDir: f.confDir, BinDir: f.binDir,
		Endpoints: f.endpoints, Log: log,
	}
	if o.Node == "" {
		return o, errors.New("NODE_NAME is empty; set it from spec.nodeName of the pod")
	}
	o.IPs, err = agent.ParseIPs(os.Getenv("NODE_IPS"))
	return o, err
}

func run() *cobra.Command {
	var f flags
	c := &cobra.Command{Use: "run", Short: "Run the agent until it is told to stop; pods' connections stay", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			return agent.Run(c.Context(), o)
		}}
	f.add(c)
	f.endpoints.AddFlags(c, "")
	return c
}

func uninstall() *cobra.Command {
	var f flags
	c := &cobra.Command{Use: "uninstall", Short: "Give the NIC its addresses back and remove all that the agent made on this node", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			if err := agent.Uninstall(c.Context(), o); err != nil {
				return fmt.Errorf("uninstall, which may be called again: %w", err)
			}
			return nil
		}}
	f.add(c)
	c.Flags().StringVar(&f.binDir, "cni-bin-dir", "/opt/cni/bin", "directory of the container runtime's CNI plugins")
	return c
}

func installCNI() *cobra.Command {
	var shim, dir string
	c := &cobra.Command{Use: "install-cni", Short: "Copy the CNI shim to where the container runtime looks for it", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return attach.InstallCNI(shim, dir) }}
	c.Flags().StringVar(&shim, "shim", "/usr/local/bin/woven-cni", "the shim to copy")
	c.Flags().StringVar(&dir, "cni-bin-dir", "/opt/cni/bin", "directory of the container runtime's CNI plugins")
	return c
}
