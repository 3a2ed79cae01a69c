package step

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunStopsAtTheFirstFailureAndShowsItsLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "daemon.log")
	require.NoError(t, os.WriteFile(log, []byte("fine\naddress in use\n"), 0o644))
	var out strings.Builder
	ran := []string{}
	note := func(name string, err error) Step {
		return Step{Title: name, Do: func(context.Context) error { ran = append(ran, name); return err }}
	}
	err := Run(context.Background(), &out, []Step{
		note("one", nil), note("two", &LogError{Err: errors.New("it ended"), Log: log}), note("three", nil),
	})
	require.ErrorContains(t, err, "two: it ended")
	require.ErrorContains(t, err, log+":\n    fine\n    address in use")
	require.Equal(t, []string{"one", "two"}, ran)
	require.Contains(t, out.String(), "[ 1/3] one")
	require.Contains(t, out.String(), "failed after")
}

func TestTailShowsTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("a\nb\nc\n"), 0o644))
	require.Equal(t, "    b\n    c", Tail(path, 2))
}
