package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/woven-network/woven/test/sandbox/cluster"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

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

func prepare() *cobra.Command {
	return &cobra.Command{
		Use: "prepare", Short: "Install packages and fill the cache, the part of up that takes minutes the first time", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.New(plan.Defaults(), cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Prepare(cmd.Context())
		},
	}
}

func down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster and remove all of it but the cache", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cluster.Down(cmd.OutOrStdout()) },
	}
}

func replace() *cobra.Command {
	return &cobra.Command{
		Use: "replace WORKER HOST", Short: "Kill a worker, disks and all, and bring up another of its name whose addresses end in HOST",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("HOST is the last part of an address, such as 52: %w", err)
			}
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Replace(cmd.Context(), args[0], host)
		},
	}
}

func env() *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: `Print shell commands that set KUBECONFIG and PATH: eval "$(sandbox env)"`, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			text, err := c.Env()
			fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
}

func shell() *cobra.Command {
	var command string
	cmd := &cobra.Command{
		Use: "shell MACHINE", Short: "Run a shell, or one command, inside a node, the external host or the fabric", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Shell(cmd.Context(), args[0], command)
		},
	}
	cmd.Flags().StringVarP(&command, "command", "c", "", "run this command line instead of an interactive shell")
	return cmd
}

func load() *cobra.Command {
	return &cobra.Command{
		Use: "load ARCHIVE", Short: "Load an image archive into every node", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Load(cmd.Context(), args[0])
		},
	}
}

func logs() *cobra.Command {
	return &cobra.Command{
		Use: "logs [FOLDER]", Short: "Gather logs and state of everything into one folder", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			return c.Logs(cmd.Context(), dir)
		},
	}
}

func status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the machines, their services and the nodes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Open(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return c.Status(cmd.Context())
		},
	}
}

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use: machine.InitCommand, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(*cobra.Command, []string) error { return machine.Init() },
	}
}
