//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/test/sandbox/machine"
)

// place is a network namespace to send packets from: a pod's or a machine's.
type place struct {
	// name is for messages.
	name string
	// path is a file of the namespace, such as /proc/123/ns/net.
	path string
}

// machinePlace is the network namespace of a machine of the sandbox: a node's name, "external" or "fabric".
func machinePlace(t *testing.T, name string) place {
	t.Helper()
	m, ok := machine.Find(name)
	require.Truef(t, ok, "the sandbox has no running machine %s", name)
	return place{name: name, path: m.NetNS()}
}

// podPlace is the network namespace of a running pod. It is found by one of the pod's processes, which carry the
// container's ID in the name of their cgroup; a container that restarts makes the place invalid.
func podPlace(t *testing.T, pod *corev1.Pod) place {
	t.Helper()
	require.NotEmptyf(t, pod.Status.ContainerStatuses, "pod %s has no container yet", pod.Name)
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	require.NotEmptyf(t, id, "pod %s has no running container", pod.Name)
	pids := processesIn(t, id)
	require.NotEmptyf(t, pids, "no process of container %s of pod %s is visible on this machine", id, pod.Name)
	return place{name: pod.Name, path: fmt.Sprintf("/proc/%d/ns/net", pids[0])}
}

// do runs f on a thread that is in the place's network namespace. Sockets that f opens stay in that namespace.
func (p place) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer shut(&home)
		there, err := netns.GetFromPath(p.path)
		if err != nil {
			done <- fmt.Errorf("%s: %w", p.name, err)
			return
		}
		defer shut(&there)
		if err := netns.Set(there); err != nil {
			done <- fmt.Errorf("%s: enter its network namespace: %w", p.name, err)
			return
		}
		err = f()
		// A thread that cannot return is not unlocked: the runtime then ends it together with this goroutine.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// dial connects from the place. The address holds a literal IP: a name would be resolved by another thread,
// outside of the place.
func (p place) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := p.do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// listen opens a TCP listener in the place.
func (p place) listen(address string) (net.Listener, error) {
	var l net.Listener
	err := p.do(func() (err error) {
		l, err = (&net.ListenConfig{Control: reuse}).Listen(context.Background(), "tcp", address)
		return err
	})
	return l, err
}

// listenPacket opens a UDP socket in the place.
func (p place) listenPacket(address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := p.do(func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	return c, err
}

func reuse(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// httpClient sends its requests from the place, each on a connection of its own.
func (p place) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
}

// read reads a file as a thread of the namespace sees it, such as /proc/thread-self/net/snmp.
func (p place) read(path string) (string, error) {
	var text []byte
	err := p.do(func() (err error) {
		text, err = os.ReadFile(path)
		return err
	})
	return string(text), err
}

// shut closes what is done with. What closing says has no meaning for a test any more.
func shut(c io.Closer) { _ = c.Close() }
