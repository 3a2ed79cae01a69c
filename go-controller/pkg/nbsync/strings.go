package nbsync

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// legible makes sure that the server can read all text of a row. Text comes from objects that any user may write, such as
// annotations. ovsdb-server 3.5 ends the connection at a JSON text with a zero byte, so that one row would keep the engine
// from writing anything at all; and text that is not UTF-8 comes back other than it was sent.
func (w *want) legible() error {
	for _, columns := range [][]string{w.table.Whole, w.table.Members} {
		for _, name := range columns {
			if text, ok := illegible(w.table.value(w.Model, name)); ok {
				return untaken(w.ID, name, text)
			}
		}
	}
	for _, m := range w.In {
		if text, ok := illegible(m.Value); ok {
			return untaken(w.ID, m.Column+" of "+m.Set.String(), text)
		}
	}
	return nil
}

func untaken(id row.ID, column, text string) error {
	return fmt.Errorf("row %s: %s has text that the database does not take, with a zero byte or not in UTF-8: %q; correct the object it is from", id, column, text)
}

// illegible returns a text in a column's value that the server cannot read, if there is one.
func illegible(v any) (string, bool) {
	bad := func(text string) bool { return strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) }
	switch v := v.(type) {
	case string:
		return v, bad(v)
	case *string:
		if v != nil {
			return *v, bad(*v)
		}
	case []string:
		for _, text := range v {
			if bad(text) {
				return text, true
			}
		}
	case map[string]string:
		for key, text := range v {
			if bad(key) {
				return key, true
			}
			if bad(text) {
				return text, true
			}
		}
	}
	return "", false
}
