package machine

import (
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// restartDelay keeps a service that ends at once from eating the processor.
const restartDelay = time.Second

// supervisor runs a machine's services and, being process 1, buries the dead.
type supervisor struct {
	mu sync.Mutex
	// services maps a service's name to its state.
	services map[string]*running

	// children tells of SIGCHLD.
	children chan os.Signal
}

type running struct {
	Service
	// pid is 0 between an end and the restart.
	pid      int
	restarts int
	// ended is closed when the process that was told to stop is gone; nil while it shall run.
	ended chan struct{}
}

func newSupervisor() *supervisor {
	s := &supervisor{services: map[string]*running{}, children: make(chan os.Signal, 1)}
	signal.Notify(s.children, unix.SIGCHLD)
	return s
}

// start makes a service run as specified: one that runs already with the same specification is left alone.
func (s *supervisor) start(want Service) error {
	s.mu.Lock()
	old := s.services[want.Name]
	s.mu.Unlock()
	if old != nil {
		if old.equal(want) {
			return nil
		}
		s.stop(want.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &running{Service: want}
	if err := r.exec(); err != nil {
		return err
	}
	s.services[want.Name] = r
	return nil
}

// exec is called with the supervisor's mutex held, so that reap cannot see the end of a process before its
// number is noted.
func (r *running) exec() error {
	out, err := os.OpenFile(r.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	p, err := os.StartProcess(r.Args[0], r.Args, &os.ProcAttr{
		Dir: "/", Env: r.Env,
		Files: []*os.File{null, out, out},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	r.pid = p.Pid
	log.Printf("%s: started as process %d: %s", r.Name, r.pid, strings.Join(r.Args, " "))
	return p.Release()
}

// stop ends a service, waits for its end and returns it, or nil when there is none; one that does not heed SIGTERM
// within 10 s is killed.
func (s *supervisor) stop(name string) *Service {
	s.mu.Lock()
	r := s.services[name]
	if r == nil {
		s.mu.Unlock()
		return nil
	}
	delete(s.services, name)
	r.ended = make(chan struct{})
	pid := r.pid
	if pid == 0 {
		close(r.ended)
	}
	// Kept under another name until it is reaped: reap looks for its process ID.
	s.services[name+" (ending)"] = r
	s.mu.Unlock()
	if pid != 0 {
		_ = unix.Kill(pid, unix.SIGTERM)
	}
	select {
	case <-r.ended:
	case <-time.After(10 * time.Second):
		_ = unix.Kill(pid, unix.SIGKILL)
		<-r.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.services, name+" (ending)")
	return &r.Service
}

// reap waits for the end of every child: services, and the orphans of the whole machine.
func (s *supervisor) reap() {
	for range s.children {
		for {
			var status unix.WaitStatus
			pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
			if err == unix.EINTR {
				continue
			}
			if pid <= 0 {
				break
			}
			s.ended(pid, status)
		}
	}
}

func (s *supervisor) ended(pid int, status unix.WaitStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.services {
		if r.pid != pid {
			continue
		}
		r.pid = 0
		log.Printf("%s: process %d ended, exit status %d, signal %d", r.Name, pid, status.ExitStatus(), status.Signal())
		if r.ended != nil {
			close(r.ended)
			return
		}
		time.AfterFunc(restartDelay, func() { s.restart(r) })
	}
}

func (s *supervisor) restart(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[r.Name] != r || r.pid != 0 {
		return
	}
	r.restarts++
	if err := r.exec(); err != nil {
		log.Printf("%s: %v", r.Name, err)
		time.AfterFunc(restartDelay, func() { s.restart(r) })
	}
}

func (s *supervisor) list() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for name, r := range s.services {
		all = append(all, Status{Name: name, Running: r.pid != 0, Restarts: r.restarts})
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}
