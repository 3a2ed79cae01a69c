//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// pinger sends ICMP echo requests from a place, never fragmented, and counts what comes back.
type pinger struct {
	from place
	to   netip.Addr
	c    *icmp.PacketConn
	id   uint16
	size int
}

// newPinger opens a raw ICMP socket in the place. Size is the payload in bytes, as ping -s has it.
func newPinger(t *testing.T, from place, to netip.Addr, size int) *pinger {
	t.Helper()
	p := &pinger{from: from, to: to, id: uint16(rand.Uint32()), size: max(size, 8)}
	network, any, level, option := "ip4:icmp", "0.0.0.0", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER
	if to.Is6() {
		network, any, level, option = "ip6:ipv6-icmp", "::", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
	}
	err := from.do(func() (err error) {
		p.c, err = icmp.ListenPacket(network, any)
		return err
	})
	require.NoErrorf(t, err, "%s: raw socket", from.name)
	t.Cleanup(func() { shut(p.c) })
	var raw interface {
		SyscallConn() (syscall.RawConn, error)
	}
	if to.Is6() {
		raw = p.c.IPv6PacketConn().PacketConn.(*net.IPConn)
	} else {
		raw = p.c.IPv4PacketConn().PacketConn.(*net.IPConn)
	}
	conn, err := raw.SyscallConn()
	require.NoError(t, err)
	var failed error
	// As ping -M do: what does not fit is an error of the sender, never a fragment.
	require.NoError(t, conn.Control(func(fd uintptr) {
		failed = errors.Join(unix.SetsockoptInt(int(fd), level, option, unix.IP_PMTUDISC_DO),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20))
	}))
	require.NoErrorf(t, failed, "%s: never fragment", from.name)
	return p
}

// send sends one request. Its payload starts with the time, in nanoseconds.
func (p *pinger) send(seq int) error {
	payload := make([]byte, p.size)
	binary.BigEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(p.id), Seq: seq & 0xffff, Data: payload}}
	if p.to.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	wire, err := m.Marshal(nil) // the kernel fills in ICMPv6's checksum
	if err != nil {
		return err
	}
	_, err = p.c.WriteTo(wire, &net.IPAddr{IP: p.to.AsSlice()})
	return err
}

// receive returns the next reply to this pinger: its sequence number, round trip time and payload size.
func (p *pinger) receive(deadline time.Time) (int, time.Duration, int, error) {
	protocol, reply := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if p.to.Is6() {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
	}
	if err := p.c.SetReadDeadline(deadline); err != nil {
		return 0, 0, 0, err
	}
	buffer := make([]byte, 65536)
	for {
		n, from, err := p.c.ReadFrom(buffer)
		if err != nil {
			return 0, 0, 0, err
		}
		m, err := icmp.ParseMessage(protocol, buffer[:n])
		if err != nil || m.Type != reply {
			continue
		}
		echo, ok := m.Body.(*icmp.Echo)
		if !ok || echo.ID != int(p.id) || len(echo.Data) < 8 || from.(*net.IPAddr).IP.String() != p.to.String() {
			continue
		}
		sent := time.Unix(0, int64(binary.BigEndian.Uint64(echo.Data)))
		return echo.Seq, time.Since(sent), len(echo.Data), nil
	}
}

// flood sends n requests, each when the reply to the one before is there or is overdue by a second, as ping -f
// does with a patient kernel. It returns how many stayed without a reply and the largest round trip time.
func (p *pinger) flood(n int) (lost int, slowest time.Duration, err error) {
	for seq := range n {
		if err := p.send(seq); err != nil {
			return lost, slowest, fmt.Errorf("%s -> %s, %d bytes: %w", p.from.name, p.to, p.size, err)
		}
		deadline := time.Now().Add(time.Second)
		for {
			got, rtt, size, err := p.receive(deadline)
			if err != nil {
				lost++
				break
			}
			if got != seq&0xffff {
				continue // a late one, counted as lost
			}
			if size != p.size {
				return lost, slowest, fmt.Errorf("%s -> %s: a reply has %d of %d bytes", p.from.name, p.to, size, p.size)
			}
			slowest = max(slowest, rtt)
			break
		}
	}
	return lost, slowest, nil
}

// stream is a ping that goes on at an interval until it is stopped.
type stream struct {
	*pinger
	stop context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex
	// sent maps a request's number to its time, answered to the time of its reply.
	sent, answered map[int]time.Time
	sendErrors     []error
}

// startStream begins to ping at the interval.
func startStream(t *testing.T, from place, to netip.Addr, interval time.Duration) *stream {
	t.Helper()
	s := &stream{pinger: newPinger(t, from, to, 56), sent: map[int]time.Time{}, answered: map[int]time.Time{}}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	t.Cleanup(cancel)
	s.done.Add(2)
	go func() {
		defer s.done.Done()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for seq := 0; ; seq++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s.mu.Lock()
			s.sent[seq&0xffff] = time.Now()
			s.mu.Unlock()
			if err := s.send(seq); err != nil {
				s.mu.Lock()
				s.sendErrors = append(s.sendErrors, err)
				s.mu.Unlock()
			}
		}
	}()
	go func() {
		defer s.done.Done()
		for {
			seq, _, _, err := s.receive(time.Now().Add(time.Second))
			if err == nil {
				s.mu.Lock()
				s.answered[seq] = time.Now()
				s.mu.Unlock()
			} else if ctx.Err() != nil {
				return // a second without a reply after the last request
			}
		}
	}()
	return s
}

// lossReport is what a stream saw.
type lossReport struct {
	sent, lost int
	// gap is the longest time between two replies.
	gap    time.Duration
	errors []error
}

func (r lossReport) String() string {
	text := fmt.Sprintf("%d of %d pings lost, longest time without a reply %s", r.lost, r.sent, r.gap.Round(time.Millisecond))
	if len(r.errors) > 0 {
		text += fmt.Sprintf(", %d could not be sent: %v", len(r.errors), r.errors[0])
	}
	return text
}

// finish stops the stream, waits a second for the last replies and reports.
func (s *stream) finish() lossReport {
	s.stop()
	s.done.Wait()
	return s.report()
}

// finishAll is finish for many, whose last replies are waited for at the same time.
func finishAll(streams map[string]*stream) map[string]lossReport {
	for _, s := range streams {
		s.stop()
	}
	reports := map[string]lossReport{}
	for name, s := range streams {
		reports[name] = s.finish()
	}
	return reports
}

func (s *stream) report() lossReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := lossReport{sent: len(s.sent), errors: s.sendErrors}
	var previous time.Time
	for seq := range len(s.sent) {
		at, ok := s.answered[seq]
		if !ok {
			r.lost++
			continue
		}
		if !previous.IsZero() {
			r.gap = max(r.gap, at.Sub(previous))
		}
		previous = at
	}
	return r
}

// firstReplyAfter is when the first reply after a time came; zero if there is none.
func (s *stream) firstReplyAfter(after time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first time.Time
	for _, at := range s.answered {
		if at.After(after) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}
