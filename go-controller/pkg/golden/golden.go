// Package golden is for tests: it prints rows as text a person can read and compares text with a file under
// testdata. `go test ./... -update` writes the files anew; the difference is then read like any other.
package golden

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Compare fails the test if text is not that of testdata/<name>.txt.
func Compare(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if string(want) != text {
		t.Errorf("%s differs; if it is meant to, write it with -update and read the difference.\n--- have\n%s--- want\n%s", path, text, want)
	}
}

// Rows prints rows: a line for each ID, below it a line for each column that is not empty and each membership.
func Rows(rows []row.Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %s\n", r.ID.Table, r.ID.Name)
		v := reflect.ValueOf(r.Model).Elem()
		for i := range v.NumField() {
			column := v.Type().Field(i).Tag.Get("ovsdb")
			if v.Field(i).IsZero() || column == "name" {
				continue
			}
			fmt.Fprintf(&b, "    %s: %s\n", column, value(v.Field(i)))
		}
		for _, m := range r.In {
			fmt.Fprintf(&b, "    in %s.%s", m.Set, m.Column)
			if m.Value != "" {
				fmt.Fprintf(&b, ": %s", m.Value)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func value(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		return value(v.Elem())
	case reflect.Map:
		m := v.Interface().(map[string]string)
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			pairs = append(pairs, k+"="+m[k])
		}
		return strings.Join(pairs, "\n        ")
	case reflect.Slice:
		return strings.Trim(fmt.Sprintf("%q", v.Interface()), "[]")
	default:
		return fmt.Sprint(v.Interface())
	}
}
