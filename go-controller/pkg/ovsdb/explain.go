package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// explain turns what libovsdb, the network or the server says into one sentence with the database, the remote and what to
// do. libovsdb has no error values for these cases, only texts; a text that it does not know stays as it is.
func (t Target) explain(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "target database"), strings.Contains(text, "unknown database"):
		return fmt.Errorf("database %s: the server at %s does not have it; write the remote of the right database", t.Name, t.Remote)
	case strings.Contains(text, "validation error"):
		return fmt.Errorf("database %s at %s has an older schema than %s, it lacks %s; upgrade it", t.Name, t.Remote, t.Floor, t.lacking(text))
	case errors.As(err, &refusal{}):
		return fmt.Errorf("database %s at %s: %w", t.Name, t.Remote, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("database %s at %s does not answer; is its ovsdb-server running and the way to it open?: %w", t.Name, t.Remote, err)
	default:
		return fmt.Errorf("database %s at %s cannot be reached; is its ovsdb-server running?: %w", t.Name, t.Remote, err)
	}
}

// How libovsdb names what a schema lacks: tables, and columns by the type of their table.
var (
	lackingTable  = regexp.MustCompile(`model for table (\w+) that does not exist`)
	lackingColumn = regexp.MustCompile(`Object type \w+\.(\w+) contains field \w+ \([^)]*\) ovs tag (\w+)`)
)

// lacking returns what a schema lacks as libovsdb says it, in words: some of it, if it is much.
func (t Target) lacking(text string) string {
	tables := map[string]string{} // by the names of their types
	for table, pointer := range t.Model.Types() {
		tables[pointer.Elem().Name()] = table
	}
	var all []string
	for _, m := range lackingTable.FindAllStringSubmatch(text, -1) {
		all = append(all, "table "+m[1])
	}
	for _, m := range lackingColumn.FindAllStringSubmatch(text, -1) {
		all = append(all, "column "+m[2]+" of "+tables[m[1]])
	}
	const some = 3
	slices.Sort(all)
	switch all = slices.Compact(all); {
	case len(all) == 0:
		_, detail, _ := strings.Cut(text, "validation error")
		return "something (" + detail + ")"
	case len(all) > some:
		return strings.Join(all[:some], ", ") + fmt.Sprintf(" and %d more", len(all)-some)
	}
	return strings.Join(all, ", ")
}
