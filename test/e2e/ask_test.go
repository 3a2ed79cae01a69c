//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"
)

// askTimeout is how long one question may take. A SYN that is lost is sent again after one second; a UDP question
// is sent once.
const askTimeout = 3 * time.Second

// answer is what an agnhost netexec server, or listenEcho's, says about a connection.
type answer struct {
	// client is the address that the server saw.
	client netip.Addr
	// server is the server's host name: the pod's name, or its node's on the host network.
	server string
	took   time.Duration
}

// ask asks the server at an address, on one connection, who it is and whom it sees. Protocol is "tcp" or "udp".
func ask(ctx context.Context, from place, protocol string, to netip.AddrPort) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	start := time.Now()
	c, err := from.dial(ctx, protocol, to.String())
	if err != nil {
		return answer{}, err
	}
	defer shut(c)
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return answer{}, err
	}
	question := askUDP
	if protocol == "tcp" {
		question = askTCP(bufio.NewReader(c))
	}
	client, err := question(c, "clientip")
	if err != nil {
		return answer{}, err
	}
	server, err := question(c, "hostname")
	if err != nil {
		return answer{}, err
	}
	seen, err := netip.ParseAddrPort(client)
	if err != nil {
		return answer{}, fmt.Errorf("the server at %s answers %q: %w", to, client, err)
	}
	return answer{client: seen.Addr().Unmap(), server: server, took: time.Since(start)}, nil
}

func askUDP(c net.Conn, question string) (string, error) {
	if _, err := c.Write([]byte(question)); err != nil {
		return "", err
	}
	buffer := make([]byte, 1500)
	n, err := c.Read(buffer)
	return string(buffer[:n]), err
}

func askTCP(r *bufio.Reader) func(net.Conn, string) (string, error) {
	return func(c net.Conn, question string) (string, error) {
		req, err := http.NewRequest(http.MethodGet, "http://"+c.RemoteAddr().String()+"/"+question, nil)
		if err != nil {
			return "", err
		}
		if err := req.Write(c); err != nil {
			return "", err
		}
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
}

// askUntil asks until the answer pleases, for what follows an event only after a while, such as a Service that
// becomes reachable on all nodes. It returns the answer and how often it asked.
func askUntil(t *testing.T, from place, protocol string, to netip.AddrPort, timeout time.Duration, pleases func(answer) bool) (answer, int) {
	t.Helper()
	var a answer
	var last error
	asked := 0
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		asked++
		a, last = ask(ctx, from, protocol, to)
		return last == nil && pleases(a), nil
	})
	require.NoErrorf(t, err, "%s -> %s %s has no pleasing answer after %s and %d tries; the last one is %+v, %v", from.name, protocol, to, timeout, asked, a, last)
	return a, asked
}

// serve runs in a place the two servers that agnhost netexec runs, on the same TCP and UDP port of each address,
// until the test ends. It stands in for a host that runs no pods.
func serve(t *testing.T, at place, port uint16, addrs ...netip.Addr) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/clientip", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	mux.HandleFunc("/hostname", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, at.name) })
	for _, a := range addrs {
		address := netip.AddrPortFrom(a, port).String()
		l, err := at.listen(address)
		require.NoErrorf(t, err, "on %s", at.name)
		t.Cleanup(func() { shut(l) })
		go http.Serve(l, mux) //nolint:errcheck // ends with the listener
		c, err := at.listenPacket(address)
		require.NoErrorf(t, err, "on %s", at.name)
		t.Cleanup(func() { shut(c) })
		go serveUDP(c, at.name)
	}
}

func serveUDP(c net.PacketConn, name string) {
	buffer := make([]byte, 1500)
	for {
		n, client, err := c.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of a client that is gone
		}
		reply := client.String()
		if strings.TrimSpace(string(buffer[:n])) == "hostname" {
			reply = name
		}
		_, _ = c.WriteTo([]byte(reply), client)
	}
}
