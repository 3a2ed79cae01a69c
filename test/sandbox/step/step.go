// Package step runs the steps of a bring-up one after the other and tells the user, a line each, how long each
// took; a step that fails says which log to read and shows its end.
package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Step is one thing that `up` makes true. Do is idempotent: it looks first and returns quickly when there is
// nothing to do.
type Step struct {
	// Title is what the user sees, such as "start the control plane".
	Title string
	// Log is the file that tells why Do failed; empty when its error says it all.
	Log string
	Do  func(context.Context) error
}

// LogError is an error that a log file explains better than its text. A step's Do returns one when it knows
// only afterwards which log that is.
type LogError struct {
	Err error
	Log string
}

func (e *LogError) Error() string { return e.Err.Error() }
func (e *LogError) Unwrap() error { return e.Err }

// Run does the steps in order and stops at the first that fails.
func Run(ctx context.Context, out io.Writer, steps []Step) error {
	begin := time.Now()
	for i, s := range steps {
		fmt.Fprintf(out, "[%2d/%d] %-58s", i+1, len(steps), s.Title)
		start := time.Now()
		err := s.Do(ctx)
		if err == nil {
			err = ctx.Err()
		}
		took := time.Since(start)
		if err != nil {
			fmt.Fprintf(out, " failed after %s\n", round(took))
			return failure(s, err)
		}
		fmt.Fprintf(out, " %7s   (%s)\n", round(took), round(time.Since(begin)))
	}
	return nil
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

func failure(s Step, err error) error {
	log := s.Log
	var explained *LogError
	if errors.As(err, &explained) {
		log = explained.Log
	}
	if log == "" {
		return fmt.Errorf("%s: %w", s.Title, err)
	}
	return fmt.Errorf("%s: %w\n\nThe last lines of %s:\n%s", s.Title, err, log, Tail(log, 15))
}

// Tail returns the last lines of a file, indented; what hinders reading it is returned as a line as well.
func Tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "    " + err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "    " + strings.Join(all, "\n    ")
}
