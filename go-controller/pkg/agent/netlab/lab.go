//go:build root

// Package netlab is for tests with the build tag "root": it makes network namespaces, and needs root and nothing else of the
// machine. What it makes goes with the namespaces.
package netlab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Enter puts the test's goroutine into a network namespace of its own and returns it.
func Enter(t *testing.T) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	before, err := netns.Get()
	require.NoError(t, err)
	here, err := netns.New()
	require.NoError(t, err, "this test needs root")
	t.Cleanup(func() {
		require.NoError(t, netns.Set(before))
		require.NoError(t, before.Close())
		require.NoError(t, here.Close())
		runtime.UnlockOSThread()
	})
	Run(t, "ip link set lo up")
	return here
}

// Other makes a second namespace, as the network of somebody else.
func Other(t *testing.T) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	require.NoError(t, err)
	there, err := netns.New()
	require.NoError(t, err)
	Run(t, "ip link set lo up")
	require.NoError(t, netns.Set(here))
	require.NoError(t, here.Close())
	t.Cleanup(func() { require.NoError(t, there.Close()) })
	return there
}

// In runs f in another namespace.
func In(t *testing.T, there netns.NsHandle, f func()) {
	t.Helper()
	here, err := netns.Get()
	require.NoError(t, err)
	defer func() { require.NoError(t, here.Close()) }()
	require.NoError(t, netns.Set(there))
	defer func() { require.NoError(t, netns.Set(here)) }()
	f()
}

// GoIn starts f on a goroutine in the test's namespace.
func GoIn(t *testing.T, f func()) {
	t.Helper()
	here, err := netns.Get()
	require.NoError(t, err)
	go func() {
		runtime.LockOSThread() // And never unlocked: the thread ends with the goroutine.
		if netns.Set(here) == nil {
			f()
		}
		_ = here.Close()
	}()
}

// File is a namespace as the shim sends it.
func File(t *testing.T, n netns.NsHandle) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", int(n)))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Run executes lines of shell in the current namespace. A child process is in the namespace of the thread that
// starts it.
func Run(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
	return string(out)
}

// Device makes an interface that is up; its other end is in a namespace of nobody's.
func Device(t *testing.T, name, mac string) {
	t.Helper()
	Run(t, fmt.Sprintf("ip link add %s mtu 1600 address %s type veth peer name peer-%s mtu 1600", name, mac, name))
	nobody := Other(t)
	require.NoError(t, netlink.LinkSetNsFd(Link(t, "peer-"+name), int(nobody)))
	In(t, nobody, func() { Run(t, "ip link set peer-"+name+" up") })
	Run(t, "ip link set "+name+" up")
}

// Link returns an interface of the current namespace.
func Link(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	require.NoError(t, err)
	return l
}

// Echo takes one connection after another and gives back what comes.
func Echo(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				b := make([]byte, 100)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l
}
