//go:build e2e

package e2e

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inbox holds what came to a UDP port of a place.
type inbox struct {
	mu sync.Mutex
	// mail maps a message's text to the addresses that it came from.
	mail map[string][]netip.Addr
	// arrived is closed and replaced at each message.
	arrived chan struct{}
}

// newInbox listens on all addresses of a place until the test ends.
func newInbox(t *testing.T, at place, port uint16) *inbox {
	t.Helper()
	c, err := at.listenPacket(netip.AddrPortFrom(netip.IPv6Unspecified(), port).String())
	require.NoErrorf(t, err, "on %s", at.name)
	t.Cleanup(func() { shut(c) })
	box := &inbox{mail: map[string][]netip.Addr{}, arrived: make(chan struct{})}
	go box.read(c)
	return box
}

func (b *inbox) read(c net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buffer)
		if err != nil {
			return // closed
		}
		b.mu.Lock()
		text := string(buffer[:n])
		b.mail[text] = append(b.mail[text], from.(*net.UDPAddr).AddrPort().Addr().Unmap())
		close(b.arrived)
		b.arrived = make(chan struct{})
		b.mu.Unlock()
	}
}

// await returns the sender of a message that comes within the time, and false when it does not.
func (b *inbox) await(text string, timeout time.Duration) (netip.Addr, bool) {
	overdue := time.After(timeout)
	for {
		b.mu.Lock()
		from, arrived := b.mail[text], b.arrived
		b.mu.Unlock()
		if len(from) > 0 {
			return from[0], true
		}
		select {
		case <-arrived:
		case <-overdue:
			return netip.Addr{}, false
		}
	}
}

// senders are the addresses from which a message came, each as often as it did.
func (b *inbox) senders(text string) []netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]netip.Addr(nil), b.mail[text]...)
}

// post sends one message from a place.
func post(t *testing.T, from place, to netip.AddrPort, message []byte) {
	t.Helper()
	c, err := from.dial(t.Context(), "udp", to.String())
	require.NoErrorf(t, err, "%s -> %s", from.name, to)
	defer shut(c)
	// A refusal is the answer to an earlier message, or of a port that nothing listens on; what arrives is the inbox's
	// to say.
	_, _ = c.Write(message)
}
