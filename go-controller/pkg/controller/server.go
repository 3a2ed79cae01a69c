package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check says whether all is well; the error says what is not.
type check func() error

// serve answers /metrics, /healthz, /readyz and /debug/pprof/ until ctx ends. It returns once it listens.
func serve(ctx context.Context, address string, metrics prometheus.Gatherer, healthy, ready check) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", answer(healthy))
	mux.HandleFunc("GET /readyz", answer(ready))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--metrics-address: %w; choose another or stop what uses it", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}

func answer(c check) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := c(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	}
}

// What /readyz answers before all is well.
var (
	errNotYet       = errors.New("not ready: the objects of the cluster are not read yet; is kube-apiserver reachable?")
	errNoSouthbound = errors.New("not ready: the Southbound database is not reached yet; the log says why")
	errNoNorthbound = errors.New("not ready: the Northbound database is not reached yet; the log says why")
	errNotWritten   = errors.New("not ready: the Northbound database is not in accord yet")
)
