package endpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var well = Health{Healthy: func() error { return nil }, Ready: func() error { return nil }}

// socketDir is a directory for sockets, whose paths must be shorter than 108 bytes.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "endpoint")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// lines is a logger that sends each line.
func lines() (logr.Logger, <-chan string) {
	said := make(chan string, 16)
	return funcr.New(func(_, line string) { said <- line }, funcr.Options{}), said
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// run executes a command of Commands, as a shell would.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	for _, c := range Commands() {
		if c.Name() == args[0] {
			var out bytes.Buffer
			c.SetArgs(args[1:])
			c.SetOut(&out)
			c.SetErr(io.Discard)
			err := c.ExecuteContext(t.Context())
			return out.String(), err
		}
	}
	t.Fatalf("no command %s", args[0])
	return "", nil
}

// TestTakenMetricsPort starts a program whose metrics port another process has: it lives, answers probes, says it
// once, and serves metrics as soon as the port is free.
func TestTakenMetricsPort(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	address, socket := other.Addr().String(), filepath.Join(socketDir(t), "probe")
	log, said := lines()
	require.NoError(t, Addresses{Metrics: address, Probes: socket}.Serve(t.Context(), prometheus.NewRegistry(), well, log))

	first := <-said
	assert.Contains(t, first, "metrics are not served")
	assert.Contains(t, first, "address already in use")
	out, err := run(t, "probe", "healthz", "--socket="+socket)
	require.NoError(t, err)
	assert.Equal(t, "ok\n", out)

	require.NoError(t, other.Close())
	select {
	case next := <-said:
		assert.Contains(t, next, "metrics are served", "nothing was said between")
		assert.Contains(t, next, address)
	case <-time.After(10 * metricsRetry):
		t.Fatal("the port is free, and metrics are not served")
	}
	status, text := get(t, "http://"+address+"/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "woven_metrics_served_since_seconds 1.")
}

// TestOnlyMetricsHaveAPort asks the metrics port for what belongs to sockets.
func TestOnlyMetricsHaveAPort(t *testing.T) {
	dir := socketDir(t)
	log, said := lines()
	a := Addresses{Metrics: "127.0.0.1:0", Probes: filepath.Join(dir, "probe"), Profiling: filepath.Join(dir, "pprof")}
	require.NoError(t, a.Serve(t.Context(), prometheus.NewRegistry(), well, log))
	address := ""
	for address == "" {
		if _, after, ok := strings.Cut(<-said, `"metrics are served" "address"="`); ok {
			address, _, _ = strings.Cut(after, `"`)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/healthz", "/readyz"} {
		status, _ := get(t, "http://"+address+path)
		assert.Equal(t, http.StatusNotFound, status, path)
	}
	for _, socket := range []string{a.Probes, a.Profiling} {
		info, err := os.Stat(socket)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "%s: for its own user only", socket)
	}
}

func TestProbesSayWhatIsWrong(t *testing.T) {
	socket := filepath.Join(socketDir(t), "probe")
	ill := Health{Healthy: well.Healthy, Ready: func() error { return errors.New("not ready: the moon is full") }}
	require.NoError(t, Addresses{Probes: socket}.Serve(t.Context(), prometheus.NewRegistry(), ill, logr.Discard()))
	_, err := run(t, "probe", "readyz", "--socket="+socket)
	require.EqualError(t, err, "/readyz: not ready: the moon is full")
	_, err = run(t, "probe", "healthz", "--socket="+socket)
	require.NoError(t, err)
	_, err = run(t, "probe", "health", "--socket="+socket)
	require.ErrorContains(t, err, "invalid argument")
}

func TestProfilesAreOffUnlessAskedFor(t *testing.T) {
	dir := socketDir(t)
	socket := filepath.Join(dir, "pprof")
	require.NoError(t, Addresses{Probes: filepath.Join(dir, "probe")}.Serve(t.Context(), prometheus.NewRegistry(), well, logr.Discard()))
	_, err := run(t, "profile", "heap", "--socket="+socket)
	require.ErrorContains(t, err, "does the program run with --profiling-socket="+socket+"?")
	assert.Error(t, Ask(t.Context(), filepath.Join(dir, "probe"), "/debug/pprof/heap", io.Discard), "nor on the socket of probes")

	require.NoError(t, Addresses{Profiling: socket}.Serve(t.Context(), prometheus.NewRegistry(), well, logr.Discard()))
	out, err := run(t, "profile", "heap", "--socket="+socket)
	require.NoError(t, err)
	assert.Equal(t, "\x1f\x8b", out[:2], "a profile, which is gzip")
}

// TestSuccessorTakesTheSocket has a second program begin before the first has ended, as at a restart.
func TestSuccessorTakesTheSocket(t *testing.T) {
	socket := filepath.Join(socketDir(t), "probe")
	ctx, end := context.WithCancel(t.Context())
	require.NoError(t, Addresses{Probes: socket}.Serve(ctx, prometheus.NewRegistry(), well, logr.Discard()))
	second := Health{Healthy: func() error { return errors.New("the second") }, Ready: well.Ready}
	require.NoError(t, Addresses{Probes: socket}.Serve(t.Context(), prometheus.NewRegistry(), second, logr.Discard()))
	end()
	assert.EqualError(t, Ask(t.Context(), socket, "/healthz", io.Discard), "/healthz: the second")
}

func TestWrongAddressesEndTheProgram(t *testing.T) {
	serve := func(a Addresses) error {
		return a.Serve(t.Context(), prometheus.NewRegistry(), well, logr.Discard())
	}
	assert.ErrorContains(t, serve(Addresses{Metrics: "9411"}), `read --metrics-address "9411": `)
	assert.ErrorContains(t, serve(Addresses{Metrics: ":94111"}), "write <address>:<port> or :<port>")
	assert.ErrorContains(t, serve(Addresses{Probes: "/dev/null/probe"}), "serve probes (--probe-socket): ")
	assert.ErrorContains(t, serve(Addresses{Profiling: "/dev/null/pprof"}), "serve profiles (--profiling-socket): ")
	assert.NoError(t, serve(Addresses{}), "nothing is asked for")
}
