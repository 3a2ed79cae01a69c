//go:build root

package machine

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestMain lets the test program be the machines' init, as the sandbox's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == InitCommand {
		if err := Init(); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error())
		}
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "hello" {
		hello()
	}
	const name = "woven-sandbox-test"
	StateDir, RunDir, CgroupRoot = filepath.Join("/var/lib", name), filepath.Join("/run", name), "/"+name
	os.Exit(m.Run())
}

// hello is a server that says one word to everybody.
func hello() {
	l, err := net.Listen("tcp", "127.0.0.1:7")
	for err == nil {
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			_, _ = io.WriteString(c, "inside")
			_ = c.Close()
		}
	}
	os.Exit(1)
}

func output(t *testing.T, m Machine, argv ...string) string {
	t.Helper()
	out, err := m.Command(argv...).CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

// visible is what the root namespaces show of machines: mounts, cgroups, folders.
func visible(t *testing.T) []string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	all := strings.Split(string(mounts), "\n")
	for _, pattern := range []string{"/sys/fs/cgroup" + CgroupRoot, "/sys/fs/cgroup/*" + CgroupRoot, StateDir, RunDir, "/var/lib/woven-test-mount"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	return all
}

func TestMachineFromStartToRemoval(t *testing.T) {
	before := visible(t)
	t.Cleanup(func() { require.NoError(t, RemoveAll()) })
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listen := echo.Addr().String()
	require.NoError(t, echo.Close())
	spec := Spec{
		Name:     "alpha",
		Mounts:   []Mount{Overlay("alpha", "/etc"), Tmpfs("/run"), Bind("alpha", "/var/lib/woven-test-mount/deep")},
		Files:    map[string]string{"/etc/hostname": "alpha\n", "/run/mark": "here", "/var/lib/woven-test-mount/deep/kept": "kept"},
		Forwards: []Forward{{Listen: listen, To: "127.0.0.1:7"}},
	}
	m, err := Start(spec)
	require.NoError(t, err)

	require.Equal(t, "alpha", output(t, m, "hostname"))
	require.Equal(t, "here", output(t, m, "cat", "/run/mark"))
	require.NoFileExists(t, "/run/mark")
	require.NoFileExists(t, "/var/lib/woven-test-mount/deep/kept")
	require.Contains(t, output(t, m, "cat", "/proc/1/cgroup"), CgroupRoot+"/alpha/init")
	require.Contains(t, output(t, m, "ip", "-oneline", "address"), "127.0.0.1/8")

	again, err := Start(spec)
	require.NoError(t, err)
	require.Equal(t, m, again, "a running machine is left alone")

	// A server inside is reached through the forwarded port of the root namespace.
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, m.StartService(Service{Name: "hello", Args: []string{self, "hello"}}))
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", listen)
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		text, _ := io.ReadAll(c)
		return string(text) == "inside"
	}, waitFor, tick)

	// A power cut: /run is empty afterwards, the disk is kept.
	require.NoError(t, unix.Kill(m.PID, unix.SIGKILL))
	require.Eventually(t, func() bool { _, running := Find("alpha"); return !running }, waitFor, tick)
	spec.Files = nil
	m, err = Start(spec)
	require.NoError(t, err)
	require.Equal(t, "alpha", output(t, m, "cat", "/etc/hostname"))
	require.Equal(t, "kept", output(t, m, "cat", "/var/lib/woven-test-mount/deep/kept"))
	require.Error(t, m.Run("cat", "/run/mark"))

	require.NoError(t, RemoveAll())
	require.ErrorIs(t, unix.Kill(m.PID, 0), unix.ESRCH)
	require.Equal(t, before, visible(t))
}

func TestRemoveAllAfterNothing(t *testing.T) {
	before := visible(t)
	require.NoError(t, RemoveAll())
	require.Equal(t, before, visible(t))
}
