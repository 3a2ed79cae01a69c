// Package ctl holds wovenctl's commands, one file each.
package ctl

import (
	"github.com/spf13/cobra"

	"github.com/woven-network/woven/go-controller/pkg/config"
)

// New returns the root command. It is called by cmd/wovenctl.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:           "wovenctl",
		Short:         "Look at a Woven cluster network and prepare its installation",
		Version:       config.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(certs(), checkConfig())
	return root
}
