package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
)

// serveProbes serves /healthz and /readyz on a unix socket.
func serveProbes(ctx context.Context, socket string, health Health) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(health.Healthy))
	mux.HandleFunc("GET /readyz", answer(health.Ready))
	if err := serveSocket(ctx, socket, mux); err != nil {
		return fmt.Errorf("serve probes (--probe-socket): %w", err)
	}
	return nil
}

// answer says "ok", or with status 503 what is wrong.
func answer(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// serveProfiles serves /debug/pprof/ on a unix socket.
func serveProfiles(ctx context.Context, socket string, log logr.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if err := serveSocket(ctx, socket, mux); err != nil {
		return fmt.Errorf("serve profiles (--profiling-socket): %w", err)
	}
	if socket != "" {
		log.Info("profiles are served", "socket", socket)
	}
	return nil
}

// serveSocket answers over a unix socket, for the program's own user only, until ctx ends. It returns once it listens.
// The socket takes the place of one that an earlier process left. The file stays at the end: by then it may be a
// successor's.
func serveSocket(ctx context.Context, socket string, handler http.Handler) error {
	if socket == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	unnamed := socket + "~"
	if err := os.Remove(unnamed); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: unnamed, Net: "unix"})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(unnamed, 0o600), os.Rename(unnamed, socket)); err != nil {
		_ = listener.Close()
		return err
	}
	go func() { _ = serve(ctx, listener, handler) }()
	return nil
}
