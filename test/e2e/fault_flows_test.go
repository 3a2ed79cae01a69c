//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// flows are connections between two pods that stand before a fault and must not notice it: a ping every 10 ms and a
// TCP stream, of each family.
type flows struct {
	nodes  []node
	pings  map[string]*stream
	tcp    []*tcpStream
	queues map[string]int
}

// startFlows connects two pods on different nodes and returns when all connections have carried something.
func startFlows(t *testing.T, from, to *corev1.Pod) *flows {
	t.Helper()
	f := &flows{pings: map[string]*stream{}}
	for _, n := range cluster.nodes {
		if n.name == from.Spec.NodeName || n.name == to.Spec.NodeName {
			f.nodes = append(f.nodes, n)
		}
	}
	start := time.Now()
	f.queues = queueDrops(t, f.nodes...)
	for _, v4 := range families() {
		address, _ := of(addresses(t, to), v4)
		f.pings["ping "+familyName(v4)] = startStream(t, podPlace(t, from), address, pingInterval)
		f.tcp = append(f.tcp, startTCPStream(t, podPlace(t, from), podPlace(t, to), address))
	}
	for name, s := range f.pings {
		awaitReply(t, name, s, start, 10*time.Second)
	}
	return f
}

// stop ends the connections. It tells what they saw, and how many packets this machine's own queues lost.
func (f *flows) stop(t *testing.T) (lost, dropped int) {
	t.Helper()
	for name, r := range finishAll(f.pings) {
		t.Logf("%-10s %s", name, r)
		lost += r.lost
		assert.Emptyf(t, r.errors, "%s: pings that could not be sent", name)
	}
	for _, s := range f.tcp {
		s.finish(t)
	}
	return lost, newDrops(f.queues, queueDrops(t, f.nodes...))
}

// lostNothing ends the connections and asserts that they lost no packet but those which the machine was too slow for.
func (f *flows) lostNothing(t *testing.T) {
	t.Helper()
	lost, dropped := f.stop(t)
	assert.LessOrEqual(t, lost, dropped, "pings lost, and packets that this machine was too slow to take from its queues")
	if dropped > 0 {
		t.Logf("this machine was too slow for %d packets in the queues of the userspace datapath; %d pings were lost", dropped, lost)
	}
}

// tcpStream is a TCP connection that carries a block of numbered bytes each interval, one way.
type tcpStream struct {
	what string
	stop context.CancelFunc
	// sent and received are what either end says at its end.
	sent, received chan tcpReport
	listener       net.Listener
}

type tcpReport struct {
	blocks int
	// silence is the longest time between two blocks.
	silence time.Duration
	// again is how many segments were sent more than once.
	again uint32
	err   error
}

// A block of tcpBlock bytes each tcpInterval is a steady stream that does not itself fill queues.
const (
	tcpBlock      = 1024
	tcpInterval   = 20 * time.Millisecond
	tcpStreamPort = 28097
)

func startTCPStream(t *testing.T, from, at place, address netip.Addr) *tcpStream {
	t.Helper()
	to := netip.AddrPortFrom(address, tcpStreamPort).String()
	l, err := at.listen(to)
	require.NoErrorf(t, err, "%s", at.name)
	t.Cleanup(func() { shut(l) })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := &tcpStream{
		what: "TCP " + from.name + " -> " + to, stop: cancel, sent: make(chan tcpReport, 1), received: make(chan tcpReport, 1), listener: l,
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			s.received <- tcpReport{err: err}
			return
		}
		defer shut(c)
		s.received <- receiveBlocks(c)
	}()
	c, err := from.dial(t.Context(), "tcp", to)
	require.NoErrorf(t, err, "%s", s.what)
	go func() {
		defer shut(c)
		s.sent <- sendBlocks(ctx, c.(*net.TCPConn))
	}()
	return s
}

func sendBlocks(ctx context.Context, c *net.TCPConn) (r tcpReport) {
	tick := time.NewTicker(tcpInterval)
	defer tick.Stop()
	block := make([]byte, tcpBlock)
	for ctx.Err() == nil {
		binary.BigEndian.PutUint64(block, uint64(r.blocks))
		if r.err = c.SetWriteDeadline(time.Now().Add(2 * time.Minute)); r.err != nil {
			return r
		}
		if _, r.err = c.Write(block); r.err != nil {
			return r
		}
		r.blocks++
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		r.err = err
		return r
	}
	r.err = errors.Join(raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			r.again = info.Total_retrans
		}
	}), c.CloseWrite())
	return r
}

func receiveBlocks(c net.Conn) (r tcpReport) {
	block := make([]byte, tcpBlock)
	for last := time.Now(); ; {
		if r.err = c.SetReadDeadline(time.Now().Add(2 * time.Minute)); r.err != nil {
			return r
		}
		if _, err := io.ReadFull(c, block); err != nil {
			if !errors.Is(err, io.EOF) {
				r.err = err
			}
			return r
		}
		if n := binary.BigEndian.Uint64(block); n != uint64(r.blocks) {
			r.err = fmt.Errorf("block %d has number %d", r.blocks, n)
			return r
		}
		now := time.Now()
		r.silence = max(r.silence, now.Sub(last))
		last = now
		r.blocks++
	}
}

// finish ends the connection and asserts that it carried everything.
func (s *tcpStream) finish(t *testing.T) {
	t.Helper()
	defer shut(s.listener)
	s.stop()
	var sent, received tcpReport
	for range 2 {
		select {
		case sent = <-s.sent:
		case received = <-s.received:
		case <-time.After(2 * time.Minute):
			assert.Failf(t, "timeout", "%s hangs", s.what)
			return
		}
	}
	assert.NoErrorf(t, sent.err, "%s: sending, after %d blocks", s.what, sent.blocks)
	assert.NoErrorf(t, received.err, "%s: receiving, after %d blocks", s.what, received.blocks)
	assert.Equalf(t, sent.blocks, received.blocks, "%s: blocks sent and received", s.what)
	t.Logf("%s: %d blocks of %d bytes, longest silence %s, %d segments sent again", s.what, received.blocks, tcpBlock,
		received.silence.Round(time.Millisecond), sent.again)
}
