package ovsdb

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// rowsAtOnce is how many rows are read before they are taken in: few, so that what is made of them on the way is used
// again for the next.
const rowsAtOnce = 64

// readUpdates reads a <table-updates2> of ovsdb-server(7), as in the reply to monitor_cond and in update2, and calls take
// with one part of it after another. null has no rows.
func readUpdates(in *json.Decoder, take func(ovsdb.TableUpdates2) error) error {
	n := notation{keys: map[string]string{}, packed: map[string]string{}}
	return members(in, func(table string) error {
		rows := ovsdb.TableUpdate2{}
		err := members(in, func(uuid string) error {
			var u struct{ Initial, Insert, Modify map[string]any } // A delete has none of them.
			if err := in.Decode(&u); err != nil {
				return fmt.Errorf("row %s: %w", uuid, err)
			}
			update := &ovsdb.RowUpdate2{}
			for _, part := range []struct {
				from map[string]any
				to   **ovsdb.Row
			}{{u.Initial, &update.Initial}, {u.Insert, &update.Insert}, {u.Modify, &update.Modify}} {
				if part.from == nil {
					continue
				}
				row := ovsdb.Row(part.from)
				if err := n.row(row); err != nil {
					return fmt.Errorf("row %s: %w", uuid, err)
				}
				uuid = n.pack(uuid, row)
				*part.to = &row
			}
			rows[uuid] = update
			if len(rows) < rowsAtOnce {
				return nil
			}
			err := take(ovsdb.TableUpdates2{table: rows})
			clear(rows)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		return take(ovsdb.TableUpdates2{table: rows})
	})
}

// members reads a JSON object and calls member with each name; member reads the value. null has no members.
func members(in *json.Decoder, member func(name string) error) error {
	begin, err := in.Token()
	if begin == nil || err != nil {
		return err
	}
	if begin != json.Delim('{') {
		return fmt.Errorf("an object is expected, not %v", begin)
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		if err := member(name.(string)); err != nil {
			return err
		}
	}
	_, err = in.Token()
	return err
}

// notation turns values of RFC 7047, section 5.1, from what encoding/json makes of them into libovsdb's types, in which
// they are what its mapper expects. libovsdb's own reader writes every set and map as JSON once more and reads that.
type notation struct {
	// keys has one copy of each key of a map, which are the same in all rows.
	keys map[string]string
	// packed maps the texts of the row that is packed to their copies.
	packed map[string]string
}

// row changes the values of a row in place.
func (n notation) row(columns ovsdb.Row) error {
	for name, value := range columns {
		v, err := n.value(value)
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		columns[name] = v
	}
	return nil
}

func (n notation) value(v any) (any, error) {
	switch v.(type) {
	case string, float64, bool:
		return v, nil
	}
	if list, ok := v.([]any); ok && len(list) == 2 {
		switch content := list[1].(type) {
		case string:
			if list[0] == "uuid" {
				return ovsdb.UUID{GoUUID: content}, nil
			}
		case []any:
			switch list[0] {
			case "set":
				return n.set(content)
			case "map":
				return n.pairs(content)
			}
		}
	}
	return nil, fmt.Errorf("%v is no value", v)
}

func (n notation) set(elements []any) (any, error) {
	for i, e := range elements {
		v, err := n.value(e)
		if err != nil {
			return nil, err
		}
		elements[i] = v
	}
	return ovsdb.OvsSet{GoSet: elements}, nil
}

func (n notation) pairs(pairs []any) (any, error) {
	out := make(map[any]any, len(pairs))
	for _, p := range pairs {
		pair, ok := p.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("%v is no pair", p)
		}
		key, err := n.value(pair[0])
		if err != nil {
			return nil, err
		}
		switch k := key.(type) {
		case ovsdb.OvsSet, ovsdb.OvsMap:
			return nil, fmt.Errorf("%v is no key", pair[0])
		case string:
			if known, ok := n.keys[k]; ok {
				key = known
			} else {
				n.keys[k] = k
			}
		}
		if out[key], err = n.value(pair[1]); err != nil {
			return nil, err
		}
	}
	return ovsdb.OvsMap{GoMap: out}, nil
}

// pack puts the texts of a row, and its UUID, one behind the other into one piece of memory, equal ones once, and returns
// the UUID. Each was decoded into a piece of its own, among many that are thrown away and leave holes too small for
// anything else.
func (n notation) pack(uuid string, row ovsdb.Row) string {
	clear(n.packed)
	size := len(uuid)
	n.texts(row, func(text string) string {
		size += len(text)
		return text
	})
	var all strings.Builder
	all.Grow(size)
	put := func(text string) string {
		known, ok := n.packed[text]
		if !ok {
			from := all.Len()
			all.WriteString(text)
			known = all.String()[from:]
			n.packed[known] = known
		}
		return known
	}
	uuid = put(uuid)
	n.texts(row, put)
	return uuid
}

// texts replaces the texts of a row by what replace returns for them.
func (n notation) texts(row ovsdb.Row, replace func(string) string) {
	one := func(v any) any {
		switch v := v.(type) {
		case string:
			return replace(v)
		case ovsdb.UUID:
			return ovsdb.UUID{GoUUID: replace(v.GoUUID)}
		}
		return v
	}
	for name, v := range row {
		switch v := v.(type) {
		case ovsdb.OvsSet:
			for i, e := range v.GoSet {
				v.GoSet[i] = one(e)
			}
		case ovsdb.OvsMap:
			for key, e := range v.GoMap {
				v.GoMap[key] = one(e)
			}
		default:
			row[name] = one(v)
		}
	}
}
