package ctl

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/go-controller/pkg/pki"
)

func certs() *cobra.Command {
	var namespace string
	var years int
	c := &cobra.Command{
		Use:   "certs",
		Short: "Print a Secret with new certificates for the OVN databases",
		Long: "Prints the Secret " + pki.SecretName + ": a CA, a key and a certificate with which the OVN databases and\n" +
			"their clients know each other. Run it once, before the installation; run it again to replace all of them,\n" +
			"and restart the workloads of the namespace afterwards.",
		Example: "  wovenctl certs | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if years < 1 || years > 100 {
				return fmt.Errorf("--years: %d is not possible; write 1 to 100", years)
			}
			bundle, err := pki.New(time.Now(), years)
			if err != nil {
				return err
			}
			text, err := yaml.Marshal(pki.Secret(namespace, bundle))
			if err != nil {
				return fmt.Errorf("certificates: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().StringVar(&namespace, "namespace", "woven-system", "namespace of the Secret")
	c.Flags().IntVar(&years, "years", 10, "how long the certificates are valid")
	return c
}
