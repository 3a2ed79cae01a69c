// Package deps gets what the sandbox needs and the machine lacks: Debian packages, and programs built from Go
// modules. What it makes is kept in a cache folder outside the repository, in folders named for what went in.
package deps

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/test/sandbox/step"
)

// Cache is the folder in which everything downloaded or built is kept.
type Cache string

// OpenCache returns $WOVEN_CACHE, else $XDG_CACHE_HOME/woven, else ~/.cache/woven.
func OpenCache() (Cache, error) {
	dir := os.Getenv("WOVEN_CACHE")
	if dir == "" {
		parent, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder: %w; set WOVEN_CACHE", err)
		}
		dir = filepath.Join(parent, "woven")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return Cache(dir), os.MkdirAll(filepath.Join(dir, "log"), 0o755)
}

// Lock has only one `up` at a time make things in the cache, and returns the function that ends that. It tells when
// it has to wait.
func (c Cache) Lock(out io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(c.Path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		fmt.Fprintln(out, "Another `up` is at work; waiting for it. Ctrl-C does no harm.")
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// Path is a path inside the cache.
func (c Cache) Path(elem ...string) string {
	return filepath.Join(append([]string{string(c)}, elem...)...)
}

// Log is the log file of making something.
func (c Cache) Log(name string) string { return c.Path("log", name+".log") }

// Ensure makes the folder <cache>/<name>.<key> by calling fill with an empty folder, unless it is there. Folders of
// this name with another key are removed. The key is a digest of what went into it.
func (c Cache) Ensure(name, key string, fill func(dir string) error) (string, error) {
	dir := c.Path(name + "." + key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	partial := c.Path("partial", name)
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	if err := fill(partial); err != nil {
		return "", err
	}
	old, err := filepath.Glob(c.Path(name + ".*"))
	if err != nil {
		return "", err
	}
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(partial, dir)
}

// Key digests texts into a name of 12 hexadecimal digits.
func Key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return fmt.Sprintf("%x", sum[:6])
}

// KeyOfFiles digests the names and contents of files.
func KeyOfFiles(paths ...string) (string, error) {
	var parts []string
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		parts = append(parts, filepath.Base(p), string(text))
	}
	return Key(parts...), nil
}

// RunLogged runs a command, made by exec.CommandContext, with its output in a log file, which its error names. The
// command does not outlive this program.
func RunLogged(log string, cmd *exec.Cmd) error {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(f, "+ %s\n", strings.Join(cmd.Args, " "))
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets `go build` clear its temporary files
	cmd.WaitDelay = 10 * time.Second
	// The death signal comes when the thread ends that started the command, hence the lock.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return &step.LogError{Err: fmt.Errorf("%s: %w", filepath.Base(cmd.Args[0]), err), Log: log}
	}
	return nil
}

// Contained returns a command that runs in mount and process namespaces of its own: mounts that it makes vanish
// with it, and when it is killed so are its children.
func Contained(ctx context.Context, argv ...string) *exec.Cmd {
	args := []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"}
	return exec.CommandContext(ctx, "unshare", append(args, argv...)...)
}
