package ctl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/woven-network/woven/go-controller/pkg/config"
)

func checkConfig() *cobra.Command {
	return &cobra.Command{
		Use:     "check-config FILE",
		Short:   "Check a configuration file and name every field that is wrong",
		Example: "  wovenctl check-config config.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := config.Load(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is valid\n", args[0])
			return err
		},
	}
}
