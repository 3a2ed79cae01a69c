// woven-controller turns Kubernetes objects into OVN Northbound rows.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/controller"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/logging"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "woven-controller:", err)
		os.Exit(1)
	}
}

// flags are the command's flags.
type flags struct {
	config, kubeconfig, leaseNamespace string
	endpoints                          endpoint.Addresses
}

func command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "woven-controller",
		Short: "Turn Kubernetes objects into OVN Northbound rows",
		Long: `woven-controller watches Nodes, Pods, Services and EndpointSlices and keeps the
OVN Northbound database in accord with them. Any number may run; one leads.`,
		Example: `  # In a cluster: the ConfigMap woven-config is mounted at ` + config.DefaultPath + `.
  woven-controller --metrics-address=:9410 --probe-socket=/run/woven/probe.sock

  # At a developer's desk.
  woven-controller --config=config.yaml --kubeconfig=$HOME/.kube/config --metrics-address=127.0.0.1:9410`,
		Version: config.Version, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "configuration file")
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file; empty means the pod's service account")
	cmd.Flags().StringVar(&f.leaseNamespace, "lease-namespace", "woven-system", "namespace of the leader's Lease")
	f.endpoints.AddFlags(cmd, ":9410")
	cmd.AddCommand(endpoint.Commands()...)
	return cmd
}

func run(ctx context.Context, f flags) error {
	c, err := config.Load(f.config)
	if err != nil {
		return err
	}
	log, err := logging.New("woven-controller", c.LogLevel)
	if err != nil {
		return err
	}
	api, err := apiServer(f.kubeconfig, c.APIServer)
	if err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	client, err := kube.NewClient(api)
	if err != nil {
		return err
	}
	log.Info("starting", "version", config.Version, "apiServer", api.Host)
	return controller.Run(ctx, controller.Options{
		Config: c, Client: client, Log: log, LeaseNamespace: f.leaseNamespace, Endpoints: f.endpoints,
		Read: func() { collect(30) },
		Settled: func() {
			collect(15)
			debug.FreeOSMemory()
		},
	})
}

// collect has garbage collected when there is this percentage of what is kept, unless GOGC says something. While everything
// is read, which takes all of two cores, it is Go's 100. After that nearly all memory is what is known of the cluster, which
// stays: as much again for what comes and goes would save processor time that is not missed (docs/performance.md).
func collect(percentage int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percentage)
	}
}

// apiServer returns how to reach the API server: as a kubeconfig file says or, with the pod's service account, at the
// address of the configuration. The Service's address, which a pod is told, works only once this program does.
func apiServer(kubeconfig, address string) (*rest.Config, error) {
	if kubeconfig != "" {
		return clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	c, err := rest.InClusterConfig()
	if err == nil && address != "" {
		c.Host = address
	}
	return c, err
}
