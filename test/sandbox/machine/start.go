package machine

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// InitCommand is the argument with which this program becomes a machine's init.
const InitCommand = "init"

// Start starts a machine unless it is running, and returns it.
func Start(s Spec) (Machine, error) {
	if m, ok := Find(s.Name); ok {
		return m, nil
	}
	if err := s.prepare(); err != nil {
		return Machine{}, fmt.Errorf("machine %s: %w", s.Name, err)
	}
	// Those of its life before, as after a reboot: kubelet takes seconds over each that has no container.
	if err := removeCgroups(Cgroup(s.Name)); err != nil {
		return Machine{}, fmt.Errorf("machine %s: %w", s.Name, err)
	}
	m, err := s.spawn()
	if err != nil {
		return Machine{}, fmt.Errorf("machine %s: %w", s.Name, err)
	}
	return m, nil
}

// spawn starts init and lets it go on only once its pid file is written: were this program killed in between,
// init would read the end of the pipe instead of its specification, and end as well.
func (s Spec) spawn() (Machine, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return Machine{}, err
	}
	defer read.Close()
	defer write.Close()
	files, err := s.listen()
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return Machine{}, err
	}
	log, err := os.OpenFile(Log(s.Name, "init"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Machine{}, err
	}
	defer log.Close()

	cmd := exec.Command("/proc/self/exe", InitCommand, s.Name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = append([]*os.File{read}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // a Ctrl-C meant for `up` must not reach it
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return Machine{}, err
	}
	m := Machine{s.Name, cmd.Process.Pid}
	go cmd.Wait() //nolint:errcheck // only so that no zombie stays while this program runs
	if err := record(s.Name, m.PID); err != nil {
		return m, err
	}
	if err := joinCgroup(s.Name, m.PID); err != nil {
		return m, err
	}
	if err := json.NewEncoder(write).Encode(s); err != nil {
		return m, err
	}
	write.Close()
	if err := m.ping(); err != nil {
		return m, fmt.Errorf("init does not answer: %w; see %s", err, Log(s.Name, "init"))
	}
	return m, nil
}

// listen opens the control socket and the forwarded ports in the root namespaces, for init to inherit.
func (s Spec) listen() ([]*os.File, error) {
	path := socket(s.Name)
	_ = os.Remove(path) // of a machine that was killed
	control, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	control.SetUnlinkOnClose(false)
	defer func() { _ = control.Close() }()
	f, err := control.File()
	if err != nil {
		return nil, err
	}
	files := []*os.File{f}
	for _, forward := range s.Forwards {
		l, err := net.Listen("tcp", forward.Listen)
		if err != nil {
			return files, err
		}
		f, err := l.(*net.TCPListener).File()
		_ = l.Close() // the file has a descriptor of its own
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}
