//go:build root

package netlab

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Main is for TestMain. It runs the tests in a process with a network namespace of its own, so that goroutines on any thread leave the
// machine's network alone.
func Main(m *testing.M) {
	const inside = "WOVEN_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		println("tests with the build tag root need root:", err.Error())
		os.Exit(1)
	}
}
