package machine

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// How long to wait for what comes at once on a machine that is not busy, and how often to look.
const waitFor, tick = 20 * time.Second, 10 * time.Millisecond

// pid is a service's process, 0 when it has none.
func (s *supervisor) pid(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.services[name]; r != nil {
		return r.pid
	}
	return 0
}

func TestSupervisorKeepsServicesAsSpecified(t *testing.T) {
	s := newSupervisor()
	go s.reap()
	service := Service{Name: "sleep", Args: []string{"/bin/sleep", "1000"}, Log: filepath.Join(t.TempDir(), "log")}
	require.NoError(t, s.start(service))
	first := s.pid("sleep")
	require.NotZero(t, first)

	require.NoError(t, s.start(service))
	require.Equal(t, first, s.pid("sleep"), "the same specification changes nothing")

	service.Version = "2"
	require.NoError(t, s.start(service))
	second := s.pid("sleep")
	require.NotEqual(t, first, second)
	require.ErrorIs(t, unix.Kill(first, 0), unix.ESRCH)

	require.NoError(t, unix.Kill(second, unix.SIGKILL))
	require.Eventually(t, func() bool { p := s.pid("sleep"); return p != 0 && p != second }, waitFor, tick)
	require.Equal(t, []Status{{Name: "sleep", Running: true, Restarts: 1}}, s.list())

	third := s.pid("sleep")
	s.stop("sleep")
	require.Empty(t, s.list())
	require.ErrorIs(t, unix.Kill(third, 0), unix.ESRCH)
}

func TestServiceThatCannotStartIsAnError(t *testing.T) {
	s := newSupervisor()
	err := s.start(Service{Name: "none", Args: []string{"/nonexistent"}, Log: filepath.Join(t.TempDir(), "log")})
	require.ErrorContains(t, err, "/nonexistent")
	require.Empty(t, s.list())
}
