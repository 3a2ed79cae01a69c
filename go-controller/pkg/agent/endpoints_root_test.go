//go:build root

package agent

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
)

// TestTakenMetricsPortLeavesTheAgent runs an agent whose metrics port another process of the host has.
func TestTakenMetricsPortLeavesTheAgent(t *testing.T) {
	other, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	c, err := config.Parse([]byte("clusterCIDRs: [10.244.0.0/16]\nserviceCIDRs: [10.96.0.0/16]\novn: {northbound: 'unix:/n', southbound: 'unix:/s'}\n"))
	require.NoError(t, err)
	dir := t.TempDir()
	a := endpoint.Addresses{Metrics: other.Addr().String(), Probes: filepath.Join(dir, "probe")}
	said := make(chan string, 64)
	log := funcr.New(func(_, line string) { said <- line }, funcr.Options{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Node: "worker-1", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.11")}, Config: c, Endpoints: a, Log: log,
			OVSRunDir: dir, Socket: filepath.Join(dir, "cni.sock"), ConfDir: dir,
		})
	}()
	<-said // The first line comes after the socket is there.
	assert.NoError(t, endpoint.Ask(t.Context(), a.Probes, "/healthz", io.Discard))
	assert.Error(t, endpoint.Ask(t.Context(), a.Probes, "/readyz", io.Discard), "without Open vSwitch it is not ready")
	stop()
	if err := <-ended; err != nil { // It may have been trying to reach Open vSwitch.
		assert.NotContains(t, err.Error(), "metrics")
		assert.NotContains(t, err.Error(), "address already in use")
	}
}
