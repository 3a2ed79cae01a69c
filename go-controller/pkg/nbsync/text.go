package nbsync

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// String returns the plan as lines in the language of ovn-nbctl's database commands (ovn-nbctl(8)), a line for each
// row and set. Rows go by the names of their IDs instead of UUIDs, so the text of a plan depends on nothing else.
func (p Plan) String() string {
	var b strings.Builder
	for _, op := range p.Ops {
		for _, line := range op.lines() {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (op Op) lines() []string {
	record := op.ID.Table + " " + word(op.ID.Name)
	switch op.Kind {
	case Insert:
		return []string{"create " + record + columnText(op.Columns)}
	case Update:
		var lines, cleared []string
		var set []Column
		for _, c := range op.Columns {
			if empty(c.Want) && clearable(c.Want) {
				cleared = append(cleared, c.Name)
			} else {
				set = append(set, c)
			}
		}
		if len(set) > 0 {
			lines = append(lines, "set "+record+columnText(set))
		}
		if len(cleared) > 0 {
			lines = append(lines, "clear "+record+" "+strings.Join(cleared, " "))
		}
		return lines
	case Mutate:
		return append(elementLines("add "+record, op.Add), elementLines("remove "+record, op.Remove)...)
	default:
		return []string{"destroy " + record}
	}
}

// clearable says whether the value is of a set or a map; another column cannot be empty, only zero.
func clearable(v any) bool {
	k := reflect.ValueOf(v).Kind()
	return k == reflect.Slice || k == reflect.Map || k == reflect.Pointer
}

func columnText(columns []Column) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString(" " + c.Name + "=" + valueText(reflect.ValueOf(c.Want)))
	}
	return b.String()
}

// elementLines returns a line for each set, with all elements.
func elementLines(verb string, elements []Element) []string {
	var lines []string
	for start := 0; start < len(elements); {
		column := elements[start].Column
		line := verb + " " + column
		end := start
		for ; end < len(elements) && elements[end].Column == column; end++ {
			line += " " + elementText(elements[end].Name)
		}
		lines = append(lines, line)
		start = end
	}
	return lines
}

// elementText returns an element as ovn-nbctl reads it: a word, or <key>=<value>.
func elementText(e string) string {
	if key, value, ok := splitPair(e); ok {
		return word(key) + "=" + word(value)
	}
	return word(refName(e))
}

func valueText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "[]"
		}
		return valueText(v.Elem())
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, valueText(v.Index(i)))
		}
		slices.Sort(out)
		return "[" + strings.Join(out, ", ") + "]"
	case reflect.Map:
		var out []string
		for _, k := range v.MapKeys() {
			out = append(out, valueText(k)+"="+valueText(v.MapIndex(k)))
		}
		slices.Sort(out)
		return "{" + strings.Join(out, ", ") + "}"
	case reflect.String:
		return word(v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)

// word quotes text that ovn-nbctl would not read as one word.
func word(s string) string {
	if plain.MatchString(s) && s != "true" && s != "false" {
		return s
	}
	return strconv.Quote(s)
}

// refName returns the name of a member that is a row of a described table: the column says which table it is of.
func refName(text string) string {
	if id, ok := row.ParseRef(text); ok {
		if _, ok := row.Northbound(id.Table); ok {
			return id.Name
		}
	}
	return text
}
