// Package process runs the programs that are measured and reads what the kernel knows of them.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/woven-network/woven/test/child"
)

// Process is a program that runs until Stop. It does not outlive this program, however that ends.
type Process struct {
	// PID is that of the program itself.
	PID int

	name   string
	cmd    *exec.Cmd
	exited <-chan struct{}
}

// Start runs a program with its output written to w. The name is for messages.
func Start(name string, w io.Writer, line []string, environment ...string) (*Process, error) {
	p := &Process{name: name, cmd: exec.Command(line[0], line[1:]...)}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Env = append(os.Environ(), environment...)
	var err error
	if p.exited, err = child.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.PID = p.cmd.Process.Pid
	return p, nil
}

// Exited is closed when the program has ended, by itself or by Stop.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop asks the program to end, as kubelet does, and waits until it has; after ten seconds it is killed.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		p.Kill()
	}
}

// Kill ends the program at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Await asks until something is ready, and fails when the program ends before that or ctx does.
func (p *Process) Await(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s has ended: see its log; last it said: %w", p.name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.name, err)
		case <-tick.C:
		}
	}
}

// Resident returns the memory that a process has in RAM now, in bytes (VmRSS, proc(5)).
func Resident(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no memory", pid)
}

// CPU returns the processor time that a process has used, to the nanosecond: /proc/<pid>/stat counts in steps of 10 ms,
// which is too coarse for a program that should do nothing. Time of threads that have ended meanwhile is missing.
func CPU(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "schedstat"))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("process %d has ended, or the kernel has no schedstat", pid)
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // The thread has ended.
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// Idle returns the share of one core that a process uses over a time in which nobody asks anything of it, in percent.
func Idle(ctx context.Context, pid int, over time.Duration) (float64, error) {
	before, err := CPU(pid)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(over):
	}
	after, err := CPU(pid)
	return 100 * float64(after-before) / float64(time.Since(begin)), err
}
