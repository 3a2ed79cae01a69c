// Package ovsdbtest runs a real ovsdb-server for tests. A fake accepts what the server refuses: dangling
// references, rows without a parent, a name twice.
package ovsdbtest

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/woven-network/woven/test/child"
)

// Server is an ovsdb-server with one database, reached by a unix socket. It ends with the test.
type Server struct {
	// Remote is the connection method, "unix:<path>".
	Remote string

	t       testing.TB
	dir     string
	schema  []byte
	process *process
}

// Start runs a server with an empty database of the schema, such as schema.Northbound. The test fails when the
// machine has no ovsdb-server.
func Start(t testing.TB, schema []byte) *Server {
	t.Helper()
	s := empty(t)
	s.schema = schema
	s.Recreate()
	return s
}

// StartFile runs a server with a copy of a database file. The error says why the server refuses the file.
func StartFile(t testing.TB, file string) (*Server, error) {
	t.Helper()
	s := empty(t)
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "db"), content, 0o600)
	}
	if err == nil {
		s.process, err = start(Program(t, "ovsdb-server"), s.dir)
	}
	return s, err
}

// empty is a server that has a folder and does not run.
func empty(t testing.TB) *Server {
	t.Helper()
	// Not t.TempDir: a socket's path must stay below 108 bytes, and a test's name may be longer.
	dir, err := os.MkdirTemp("", "ovsdb")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Remote: "unix:" + filepath.Join(dir, "s"), t: t, dir: dir}
	t.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(dir)
	})
	return s
}

// Stop ends the server at once, as a crash would; the database stays.
func (s *Server) Stop() {
	s.t.Helper()
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Freeze makes the server silent without ending it or its connections, until Thaw.
func (s *Server) Freeze() { _ = s.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { _ = s.process.cmd.Process.Signal(syscall.SIGCONT) }

// Continue starts a stopped server again with its database.
func (s *Server) Continue() {
	s.t.Helper()
	p, err := start(Program(s.t, "ovsdb-server"), s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = p
}

// Recreate stops the server, replaces the database with an empty one and starts it again.
func (s *Server) Recreate() {
	s.t.Helper()
	s.Stop()
	if err := os.WriteFile(filepath.Join(s.dir, "db"), Database(s.schema), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.Continue()
}

// Database returns an empty database file: ovsdb(5), one record with the schema.
func Database(schema []byte) []byte {
	var line bytes.Buffer
	if err := json.Compact(&line, schema); err != nil {
		panic(err)
	}
	line.WriteByte('\n')
	return fmt.Appendf(nil, "OVSDB JSON %d %x\n%s", line.Len(), sha1.Sum(line.Bytes()), line.Bytes())
}

type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	exited <-chan struct{}
}

// start runs ovsdb-server in dir and waits until it accepts connections.
func start(program []string, dir string) (*process, error) {
	line := append(slices.Clone(program), filepath.Join(dir, "db"), "--remote=punix:"+filepath.Join(dir, "s"), "--unixctl=none", "--no-chdir")
	p := &process{cmd: exec.Command(line[0], line[1:]...)}
	p.cmd.Env = append(os.Environ(), "OVS_RUNDIR="+dir, "OVS_DBDIR="+dir, "OVS_LOGDIR="+dir)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	var err error
	if p.exited, err = child.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("ovsdb-server: %w", err)
	}
	return p, p.ready(filepath.Join(dir, "s"))
}

// ready waits until the socket accepts connections: a server in the foreground does not say when it is ready.
func (p *process) ready(socket string) error {
	deadline := time.After(20 * time.Second)
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			return c.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("ovsdb-server ended at once:\n%s", p.output.String())
		case <-deadline:
			p.kill()
			return fmt.Errorf("ovsdb-server has not opened %s after 20 s:\n%s", socket, p.output.String())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}
