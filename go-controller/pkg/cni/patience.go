package cni

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the shim waits for an agent that is being restarted. A pod whose ADD fails is tried again by
// kubelet only after ten to fifteen seconds, so an agent that is away for one second would cost all of these. With
// callTimeout it makes less than the two minutes that the runtime gives.
const patience = 25 * time.Second

// sendPatiently is Send, but when no agent answers, or one ends before it has answered, it asks the one that follows.
// That is right for ADD, DEL and CHECK: each may be given twice.
func sendPatiently(socket string, request Request, patience time.Duration) (Response, error) {
	response, err := Send(socket, request)
	if err == nil || patience == 0 {
		return response, err
	}
	arrivals, failed := watchArrivals(filepath.Dir(socket))
	if failed != nil {
		return response, err // no folder, no agent: it never ran on this node, or not since the node started
	}
	defer arrivals.close()
	// An agent may have come before the watch began, so ask first and wait then.
	for deadline := time.Now().Add(patience); ; {
		if response, err = Send(socket, request); err == nil {
			return response, nil
		}
		if arrived := arrivals.await(deadline); arrived != nil {
			return response, err
		}
	}
}

// arrivals tells of files that appear in a folder under their final name (inotify(7)). It is here, and not a library,
// so that the shim stays small.
type arrivals struct{ fd int }

func watchArrivals(dir string) (arrivals, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return arrivals{}, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		_ = unix.Close(fd)
		return arrivals{}, err
	}
	return arrivals{fd}, nil
}

// errOverdue says that nothing came in time.
var errOverdue = errors.New("nothing came")

// await returns nil when something has come since the last call, or an error at the deadline.
func (a arrivals) await(deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errOverdue
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		if n > 0 {
			_, err := unix.Read(a.fd, make([]byte, 4096)) // what came does not matter: the agent is asked
			return err
		}
	}
}

func (a arrivals) close() { _ = unix.Close(a.fd) }
