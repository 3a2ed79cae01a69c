//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/deps"
)

// testKubectl uses what goes from the API server through a kubelet into a pod: exec, logs, port-forward and cp.
func testKubectl(t *testing.T) {
	ns := newNamespace(t)
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		pods = append(pods, netexec("pod-"+n.name, n.name))
	}
	for _, pod := range run(t, ns, pods...) {
		assert.Equal(t, pod.Name+"\n", kubectl(t, "exec", "-n", ns, pod.Name, "--", "hostname"))
		assert.Contains(t, kubectl(t, "logs", "-n", ns, pod.Name), fmt.Sprintf("Started HTTP server on port %d", httpPort))
		checkPortForward(t, pod)
		checkCopy(t, pod)
	}
}

// kubectlPath is kubectl on the PATH, else the one that the sandbox built.
func kubectlPath(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path
	}
	cache, err := deps.OpenCache()
	require.NoError(t, err)
	built, err := filepath.Glob(cache.Path("kubernetes*", "kubectl"))
	require.NoError(t, err)
	require.NotEmpty(t, built, "there is no kubectl on the PATH nor in the sandbox's cache; eval \"$(make -s env)\" sets the PATH")
	return built[0]
}

func kubectlCommand(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(ctx, kubectlPath(t), append([]string{"--kubeconfig", cluster.kubeconfig}, args...)...)
}

// kubectl runs kubectl and returns its output. The test fails when kubectl does.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := kubectlCommand(ctx, t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoErrorf(t, cmd.Run(), "kubectl %q: %s%s", args, out.String(), errs.String())
	return out.String()
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

func checkPortForward(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := kubectlCommand(ctx, t, "port-forward", "-n", pod.Namespace, pod.Name, fmt.Sprintf(":%d", httpPort))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	defer cmd.Wait() //nolint:errcheck // it ends by being killed
	defer cancel()
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		if m := forwarding.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	require.NotEmptyf(t, address, "port-forward to %s names no address", pod.Name)
	go io.Copy(io.Discard, out) //nolint:errcheck // so that it never blocks
	resp, err := http.Get("http://" + address + "/hostname")
	require.NoErrorf(t, err, "port-forward to %s", pod.Name)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, pod.Name, string(body), "who answers at the forwarded port")
}

// checkCopy copies a file of random bytes into a pod and back.
func checkCopy(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	want := make([]byte, 1<<20)
	_, err := rand.Read(want)
	require.NoError(t, err)
	there, back := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "back")
	require.NoError(t, os.WriteFile(there, want, 0o600))
	remote := pod.Namespace + "/" + pod.Name + ":/tmp/copied"
	kubectl(t, "cp", there, remote)
	kubectl(t, "cp", remote, back)
	got, err := os.ReadFile(back)
	require.NoError(t, err)
	assert.Truef(t, bytes.Equal(want, got), "%s: the file that came back has %d bytes and differs from the %d that went", pod.Name, len(got), len(want))
}
