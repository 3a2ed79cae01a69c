// Package child starts programs that do not outlive the program that starts them, however that ends: a test that is
// killed leaves nothing behind.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts a command. The channel is closed when the program has ended.
func Start(cmd *exec.Cmd) (exited <-chan struct{}, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The signal comes when the thread ends that started the program (prctl(2), PR_SET_PDEATHSIG), so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	return ended, <-started
}
