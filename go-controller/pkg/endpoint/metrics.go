package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// metricsRetry is how often a metrics port that is taken is tried again.
const metricsRetry = 2 * time.Second

// serveMetrics serves /metrics at a TCP address, which must be one. As long as another process has it, it is tried
// again.
func serveMetrics(ctx context.Context, address string, registry *prometheus.Registry, log logr.Logger) error {
	if address == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		return fmt.Errorf("read --metrics-address %q: %w; write <address>:<port> or :<port>", address, err)
	}
	var since atomic.Int64
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "woven_metrics_served_since_seconds",
		Help: "Unix time since which metrics are served; some time after process_start_time_seconds if their port was taken.",
	}, func() float64 { return float64(since.Load()) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	listener, err := net.Listen("tcp", address)
	go func() {
		for logged := ""; ; listener, err = net.Listen("tcp", address) {
			if err == nil {
				since.Store(time.Now().Unix())
				log.Info("metrics are served", "address", listener.Addr().String())
				logged, err = "", serve(ctx, listener, mux)
			}
			if err != nil && err.Error() != logged && ctx.Err() == nil {
				logged = err.Error()
				log.Info("metrics are not served; all else works, and the port is tried until it is free", "reason", logged)
			}
			if !pause.For(ctx, metricsRetry) {
				return
			}
		}
	}()
	return nil
}

// serve answers over a listener until ctx ends. The error is that of the listener, or http.ErrServerClosed.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	return server.Serve(listener)
}
