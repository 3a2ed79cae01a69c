package nbsync

import (
	"fmt"
	"slices"
	"strings"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// rowName returns the name that an administrator would give a row.
func rowName(d row.Table, r libovsdb.Row) string {
	switch d.Naming {
	case row.ByExternalID:
		if m, ok := r["external_ids"].(libovsdb.OvsMap); ok {
			return fmt.Sprint(m.GoMap[row.NameKey])
		}
		return "?"
	case row.ByPort:
		return row.PortBindingName(text(r["logical_port"]), text(r["ip"]))
	default:
		return text(r[d.ColumnOfName()])
	}
}

// contentText returns all rows as sorted lines in which names stand for UUIDs.
func contentText(rows map[string][]libovsdb.Row, names map[string]string) string {
	var lines []string
	for _, d := range row.Tables {
		for _, r := range rows[d.Name] {
			line := d.Name + " " + rowName(d, r)
			for _, c := range slices.Concat(d.Whole, d.Members) {
				if v := valueOf(r[c], names); v != "" {
					line += " " + c + "=" + v
				}
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func valueOf(v any, names map[string]string) string {
	var out []string
	switch v := v.(type) {
	case libovsdb.OvsSet:
		for _, e := range v.GoSet {
			if t := valueOf(e, names); t != "" {
				out = append(out, t)
			}
		}
		slices.Sort(out)
		out = slices.Compact(out)
	case libovsdb.OvsMap:
		for k, e := range v.GoMap {
			out = append(out, fmt.Sprintf("%v:%v", k, e))
		}
	case libovsdb.UUID:
		return names[v.GoUUID]
	default:
		return fmt.Sprint(v)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
