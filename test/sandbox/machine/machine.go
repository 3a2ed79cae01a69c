// Package machine makes the sandbox's machines: each is a set of namespaces (network, mounts, processes, host name,
// System V IPC) whose process 1 is this same program in the role of a small init. Init starts the machine's
// services and starts them anew when they end, as systemd would.
//
// Everything a machine is hangs on that one process: killing it ends all processes of its process namespace,
// containers included, and with the last of them go the other namespaces, their mounts and their links. Nothing of
// a machine is ever mounted or linked in the root namespaces. That is what lets `down` promise to leave nothing.
package machine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// instance is the name of the sandbox. A second one beside the first, such as for trying out a change of the
// sandbox itself, is had by setting WOVEN_SANDBOX for every command; it is to go down first.
var instance = cmp.Or(os.Getenv("WOVEN_SANDBOX"), "woven-sandbox")

// StateDir holds everything that the sandbox keeps on disk while it is up: a folder per machine and the cluster's
// certificates. RunDir holds the sockets of the machines' inits.
var (
	StateDir = filepath.Join("/var/lib", instance)
	RunDir   = filepath.Join("/run", instance)
)

// Machine is a running machine.
type Machine struct {
	Name string
	// PID is its init's process ID as the root namespace has it.
	PID int
}

// Dir is the machine's own folder on disk.
func Dir(name string) string { return filepath.Join(StateDir, "machines", name) }

// Log is the log file of one of the machine's services, or of "init".
func Log(name, service string) string { return filepath.Join(Dir(name), "log", service+".log") }

func socket(name string) string  { return filepath.Join(RunDir, name+".sock") }
func pidFile(name string) string { return filepath.Join(Dir(name), "init.json") }

// process is what a pid file holds. A process ID alone may have been given to another process since; together
// with the start time it is unique until the next boot.
type process struct {
	PID int `json:"pid"`
	// Start is field 22 of /proc/<pid>/stat: clock ticks since boot.
	Start uint64 `json:"start"`
	// Boot is the kernel's boot ID.
	Boot string `json:"boot"`
}

// Find returns a machine of this name that is running; false when there is none.
func Find(name string) (Machine, bool) {
	text, err := os.ReadFile(pidFile(name))
	if err != nil {
		return Machine{}, false
	}
	var p process
	if json.Unmarshal(text, &p) != nil || !p.alive() {
		return Machine{}, false
	}
	return Machine{name, p.PID}, true
}

// List returns the names of all machines that have a folder, running or not.
func List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(StateDir, "machines"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// Command returns a command that will run inside all namespaces of the machine.
func (m Machine) Command(argv ...string) *exec.Cmd {
	args := append([]string{"--target", strconv.Itoa(m.PID), "--all", "--"}, argv...)
	return exec.Command("nsenter", args...)
}

// Run runs a command inside the machine and returns an error that holds its output when it fails.
func (m Machine) Run(argv ...string) error {
	if out, err := m.Command(argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %q: %w: %s", m.Name, argv, err, out)
	}
	return nil
}

// NetNS is the path of the machine's network namespace.
func (m Machine) NetNS() string { return fmt.Sprintf("/proc/%d/ns/net", m.PID) }

// Kill ends every process of the machine and waits until they are gone, whether it was started wholly or not.
func Kill(name string) error {
	m, ok := Find(name)
	if !ok {
		return nil
	}
	fd, err := unix.PidfdOpen(m.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("machine %s: process %d: %w", name, m.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("machine %s: kill process %d: %w", name, m.PID, err)
	}
	// A pidfd is readable once the process has ended; init ends after all others of its process namespace.
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Minute.Milliseconds()))
	if err != nil {
		return fmt.Errorf("machine %s: wait for process %d: %w", name, m.PID, err)
	}
	if n == 0 {
		return fmt.Errorf("machine %s: process %d does not end; see /proc/%d/stack", name, m.PID, m.PID)
	}
	return nil
}
