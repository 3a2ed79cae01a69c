package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// explain turns what libovsdb says into one sentence with the database, the remote and what to do. libovsdb has
// no error values for these cases, only texts; a text that it does not know stays as it is.
func (t Target) explain(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "target database"):
		return fmt.Errorf("database %s: the server at %s does not have it; write the remote of the right database", t.Name, t.Remote)
	case strings.Contains(text, "validation error"):
		_, detail, _ := strings.Cut(text, "validation error")
		_, detail, _ = strings.Cut(detail, ": ")
		return fmt.Errorf("database %s at %s has an older schema than %s; upgrade it: %s", t.Name, t.Remote, t.Floor, detail)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("database %s at %s does not answer; is its ovsdb-server running and the way to it open?: %w", t.Name, t.Remote, err)
	default:
		return fmt.Errorf("database %s at %s cannot be reached; is its ovsdb-server running?: %w", t.Name, t.Remote, err)
	}
}
