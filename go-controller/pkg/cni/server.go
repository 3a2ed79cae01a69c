package cni

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Handler answers one request. netns is the open network namespace, or nil if the request has none or it no
// longer exists; it is closed when the handler returns. ctx ends when the shim goes away: the runtime has given up.
type Handler func(ctx context.Context, request Request, netns *os.File) Response

// readTimeout is how long the agent waits for a request that was begun.
const readTimeout = 5 * time.Second

// Listen makes the agent's socket, for root only, in place of one that an earlier agent left. It gets its name when it
// takes connections: a shim that waits for it (sendPatiently) sees that as one event. The name stays when the agent ends.
func Listen(socket string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, err
	}
	unnamed := socket + "~"
	if err := os.Remove(unnamed); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: unnamed, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(unnamed, 0o600), os.Rename(unnamed, socket)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Serve answers requests, each on a goroutine of its own, until ctx ends; it returns when no handler runs any more.
func Serve(ctx context.Context, l *net.UnixListener, handle Handler) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("CNI socket: %w", err)
		}
		connections.Go(func() {
			defer func() { _ = conn.Close() }()
			serve(ctx, conn, handle)
		})
	}
}

// serve answers the one request of a connection. There is nobody to tell of an error but the shim, which sees
// the connection close and reports that to the runtime.
func serve(agent context.Context, conn *net.UnixConn, handle Handler) {
	request, netns, err := receive(conn)
	if netns != nil {
		defer netns.Close()
	}
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(agent)
	defer cancel()
	go func() {
		// The shim sends nothing more, so this read ends when it exits.
		_, _ = conn.Read(make([]byte, 1))
		cancel()
	}()
	answer, err := encode(handle(ctx, request, netns))
	if err != nil || agent.Err() != nil {
		return // The agent ends. What it has not finished is no failure: the shim asks the agent that follows.
	}
	_ = conn.SetWriteDeadline(time.Now().Add(readTimeout))
	_, _ = conn.Write(answer)
}

// receive reads the request and the file descriptor that came with it.
func receive(conn *net.UnixConn) (request Request, netns *os.File, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return request, nil, err
	}
	r := &rightsReader{conn: conn}
	err = decode(bufio.NewReader(r), &request)
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	return request, r.file, err
}

// rightsReader reads from a connection and keeps the first file descriptor that comes along.
type rightsReader struct {
	conn *net.UnixConn
	file *os.File
}

var _ io.Reader = (*rightsReader)(nil)

// Read implements io.Reader.
func (r *rightsReader) Read(p []byte) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	n, controlLen, _, _, err := r.conn.ReadMsgUnix(p, control)
	if err != nil {
		return n, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlLen])
	if err != nil {
		return n, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return n, err
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "netns")
			if r.file != nil {
				f.Close()
				continue
			}
			r.file = f
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
