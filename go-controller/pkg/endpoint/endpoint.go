// Package endpoint is what a program of Woven answers over HTTP: metrics on a TCP port, probes and profiles on unix
// sockets.
//
// Woven's pods are on the host's network, where any other process may have a port before them. So nothing that a
// program needs to live has one: the kubelet's probes run the program's own command "probe" in the container, which
// asks over a unix socket. An httpGet on loopback would cost less (a probe by exec takes some 50 ms of a core, most of
// them in the container runtime), but a process that has that port would make the kubelet restart a healthy agent for
// ever.
package endpoint

import (
	"context"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// DefaultProbes is where the manifests have a program answer probes, and where the command "probe" asks.
const DefaultProbes = "/run/woven/probe.sock"

// DefaultProfiles is the path that docs/install.md uses for profiles, and where the command "profile" asks.
const DefaultProfiles = "/run/woven/profiling.sock"

// Addresses are where a program answers. What is empty is not served.
type Addresses struct {
	// Metrics is a TCP address for /metrics: ":9411", "127.0.0.1:9411".
	Metrics string
	// Probes is the path of the unix socket for /healthz and /readyz.
	Probes string
	// Profiling is the path of the unix socket for /debug/pprof/ (net/http/pprof).
	Profiling string
}

// Health says how a program is. Each check returns an error that says what is wrong, or nil.
type Health struct{ Healthy, Ready func() error }

// AddFlags adds the flags of a program that serves; metrics is the default address of metrics.
func (a *Addresses) AddFlags(c *cobra.Command, metrics string) {
	flags := c.Flags()
	flags.StringVar(&a.Metrics, "metrics-address", metrics, "TCP address of /metrics, such as :9411; empty: no metrics")
	flags.StringVar(&a.Probes, "probe-socket", "", "unix socket of /healthz and /readyz, such as "+DefaultProbes+"; empty: no probes")
	flags.StringVar(&a.Profiling, "profiling-socket", "",
		"unix socket of /debug/pprof/, such as "+DefaultProfiles+"; empty: no profiling. It shows the program's memory to root")
}

// Serve serves all of them until ctx ends. It returns at once: nil, or an error when an address is wrong or a socket
// cannot be made. A metrics port that another process has is no error: Serve takes it when it is free.
func (a Addresses) Serve(ctx context.Context, registry *prometheus.Registry, health Health, log logr.Logger) error {
	if err := serveProbes(ctx, a.Probes, health); err != nil {
		return err
	}
	if err := serveProfiles(ctx, a.Profiling, log); err != nil {
		return err
	}
	return serveMetrics(ctx, a.Metrics, registry, log)
}
