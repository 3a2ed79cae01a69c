// Sandbox brings up a real Kubernetes cluster with Woven on this one machine, without a container engine or a
// registry. See README.md beside this file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/test/sandbox/cluster"
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
	root.AddCommand(up(), prepare(), down(), replace(), env(), shell(), load(), logs(), status(), initCommand())
	err := root.ExecuteContext(ctx)
	var command cluster.CommandError
	switch {
	case errors.As(err, &command):
		os.Exit(command.Code)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nsandbox:", err)
		os.Exit(1)
	}
}
