package nbsync

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// table is a described table together with its schema and its Go struct.
type table struct {
	row.Table
	// columns maps a column's name to how it is stored.
	columns map[string]column
	// model is the pointer type of the generated struct.
	model reflect.Type
}

type column struct {
	schema *ovsdb.ColumnSchema
	// field is the index of the struct's field.
	field int
	// ref says that the column holds UUIDs of other rows, those of the table refTable.
	ref      bool
	refTable string
	// pairs says that the column is a map of texts.
	pairs bool
	// weak says that the server takes a deleted row out of the column by itself.
	weak bool
}

// tablesOf joins the descriptions of package row with a connected database's schema.
func tablesOf(db model.DatabaseModel) (map[string]*table, error) {
	tables := make(map[string]*table, len(row.Tables))
	for _, description := range row.Tables {
		schema, pointer := db.Schema.Table(description.Name), db.Types()[description.Name]
		if schema == nil || pointer == nil {
			return nil, fmt.Errorf("the database has no table %s", description.Name)
		}
		t := &table{Table: description, columns: map[string]column{}, model: pointer}
		for i := range pointer.Elem().NumField() {
			name := pointer.Elem().Field(i).Tag.Get("ovsdb")
			if c := schema.Column(name); c != nil && name != "_uuid" {
				t.columns[name] = newColumn(c, i)
			}
		}
		tables[t.Name] = t
	}
	return tables, nil
}

func newColumn(schema *ovsdb.ColumnSchema, field int) column {
	c := column{schema: schema, field: field, pairs: schema.Type == ovsdb.TypeMap}
	if schema.TypeObj != nil && schema.TypeObj.Key != nil && schema.TypeObj.Key.Type == ovsdb.TypeUUID {
		refType, err := schema.TypeObj.Key.RefType()
		c.ref, c.weak = true, err == nil && refType == ovsdb.Weak
		c.refTable, _ = schema.TypeObj.Key.RefTable()
	}
	return c
}

// value returns a column of a model.
func (t *table) value(m model.Model, name string) any {
	return reflect.ValueOf(m).Elem().Field(t.columns[name].field).Interface()
}

// elements returns the elements of a members-only column of a model: texts or UUIDs of a set, or the pairs of a map.
func (t *table) elements(m model.Model, name string) []string {
	switch v := t.value(m, name).(type) {
	case map[string]string:
		out := make([]string, 0, len(v))
		for key, value := range v {
			out = append(out, pair(key, value))
		}
		return out
	default:
		return v.([]string)
	}
}

// column returns elements in the form that the column has in a model.
func (c column) collect(elements []string) any {
	if !c.pairs {
		return elements
	}
	out := make(map[string]string, len(elements))
	for _, e := range elements {
		key, value, _ := splitPair(e)
		out[key] = value
	}
	return out
}

// pair is the element that stands for a key and its value in a map. A text of the database has no zero byte.
func pair(key, value string) string { return key + "\x00" + value }

// splitPair is the reverse of pair, false for the element of a set.
func splitPair(element string) (key, value string, ok bool) { return strings.Cut(element, "\x00") }

// text returns a string column of a model.
func (t *table) text(m model.Model, name string) string {
	return t.value(m, name).(string)
}

// externalIDs returns the column external_ids, nil for a table that has none.
func (t *table) externalIDs(m model.Model) map[string]string {
	if _, ok := t.columns["external_ids"]; !ok {
		return nil
	}
	return t.value(m, "external_ids").(map[string]string)
}

// stamp writes our marks into a wanted row's external_ids, where the table has them; owner is the owner's text.
func (t *table) stamp(r row.Row, owner string) {
	c, ok := t.columns["external_ids"]
	if !ok {
		return
	}
	marks := t.externalIDs(r.Model)
	if marks == nil {
		marks = map[string]string{}
		reflect.ValueOf(r.Model).Elem().Field(c.field).Set(reflect.ValueOf(marks))
	}
	marks[row.OwnerKey] = owner
	if t.Naming == row.ByExternalID {
		marks[row.NameKey] = r.ID.Name
	}
}

// name returns the name of a row's ID as the row itself tells it.
func (t *table) name(m model.Model) string {
	switch t.Naming {
	case row.ByColumn, row.ByReservedName:
		return t.text(m, t.ColumnOfName())
	case row.ByPort:
		return row.PortBindingName(t.text(m, "logical_port"), t.text(m, "ip"))
	default:
		return t.externalIDs(m)[row.NameKey]
	}
}

// uuidOf returns a model's UUID.
func uuidOf(m model.Model) string {
	return m.(interface{ GetUUID() string }).GetUUID()
}

// shownName returns what a person would call a row, ours or not: the column "name", if the table has one with a value.
func (t *table) shownName(m model.Model) string {
	if _, ok := t.columns["name"]; !ok {
		return t.name(m)
	}
	return textOf(reflect.ValueOf(t.value(m, "name")))
}
