// Sandbox brings up a real Kubernetes cluster with Woven on this one machine, without a container engine or a
// registry. See README.md beside this file.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/test/sandbox/cluster"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "A real Kubernetes cluster with Woven on one machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(up(), down(), initCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "\nsandbox:", err)
		os.Exit(1)
	}
}

func up() *cobra.Command {
	o := plan.Defaults()
	cmd := &cobra.Command{
		Use: "up", Short: "Bring the cluster up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.New(o, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Up(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.Nodes, "nodes", o.Nodes, "number of nodes, the control-plane node included")
	cmd.Flags().StringVar(&o.Families, "families", o.Families, "IP families: dual, ipv4 or ipv6")
	cmd.Flags().StringVar(&o.Datapath, "datapath", o.Datapath, "Open vSwitch datapath: netdev or system")
	cmd.Flags().BoolVar(&o.Woven, "woven", o.Woven, "install Woven; without it the cluster has no pod network")
	return cmd
}

func down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster and remove all of it but the cache", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cluster.Down(cmd.OutOrStdout()) },
	}
}

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use: machine.InitCommand, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(*cobra.Command, []string) error { return machine.Init() },
	}
}
