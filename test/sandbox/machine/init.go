package machine

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Files that init inherits, by number: see Spec.spawn.
const (
	specFD = 3 + iota
	controlFD
	firstForwardFD
)

// Init is process 1 of a machine. It returns only when it cannot set up the machine; afterwards it supervises
// until it is killed.
func Init() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("%s is for the sandbox's own use; try `up`", InitCommand)
	}
	log.SetFlags(log.Ldate | log.Ltime | log.Lmicroseconds)
	var s Spec
	if err := json.NewDecoder(os.NewFile(specFD, "spec")).Decode(&s); err != nil {
		return fmt.Errorf("no specification: %w", err)
	}
	if err := s.setUp(); err != nil {
		return err
	}
	control, err := net.FileListener(os.NewFile(controlFD, "control"))
	if err != nil {
		return err
	}
	for i, f := range s.Forwards {
		l, err := net.FileListener(os.NewFile(uintptr(firstForwardFD+i), "forward"))
		if err != nil {
			return err
		}
		go forward(l, f.To)
	}
	for fd := specFD; fd < firstForwardFD+len(s.Forwards); fd++ {
		unix.CloseOnExec(fd)
	}
	super := newSupervisor()
	go super.reap()
	log.Printf("machine %s is up", s.Name)
	return super.serve(control)
}

// setUp makes the machine's view of the file system. Mounts must reach neither the root namespace nor be hidden
// from containers: hence everything is made private first, then shared within.
func (s Spec) setUp() error {
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	mounts := append([]Mount{{Source: "proc", Target: "/proc", Type: "proc", Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}}, s.Mounts...)
	for _, m := range mounts {
		// Below a tmpfs or overlay the target may be missing although the root namespace has it.
		if err := os.MkdirAll(m.Target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.Source, m.Target, m.Type, m.Flags, m.Data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	for path, text := range s.Files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		_ = os.Remove(path) // it may be a link that leads out of the machine, as /etc/resolv.conf often is
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// forward serves connections to a listener that lives in the root network namespace: a socket keeps the namespace
// that it was made in, while what this process dials is in the machine's.
func forward(l net.Listener, to string) {
	for {
		outside, err := l.Accept()
		if err != nil {
			log.Printf("forward to %s ends: %v", to, err)
			return
		}
		go func() {
			inside, err := net.Dial("tcp", to)
			if err != nil {
				_ = outside.Close()
				return
			}
			go splice(inside, outside)
			splice(outside, inside)
		}()
	}
}

// splice copies one direction and passes on its end, so that half-closed connections work.
func splice(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if err != nil {
		_ = dst.Close()
		_ = src.Close()
		return
	}
	_ = dst.(*net.TCPConn).CloseWrite()
}
