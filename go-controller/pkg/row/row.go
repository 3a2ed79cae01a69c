// Package row holds the vocabulary between the translators, which say what rows should stand in the OVN
// Northbound database, and nbsync, which makes it so. It knows no client, no clock and no Kubernetes.
package row

import (
	"cmp"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"
)

// ID names a row for as long as it has the same meaning: the table it stands in and its name there. In a table
// with a name column that is the name; in others (NAT, Logical_Router_Static_Route, ...) it is any text that is
// unique in the table, by custom "<router>/<what>/<key>". A row that is deleted and made again keeps its ID and
// gets another UUID.
type ID struct {
	Table string
	Name  string
}

// String returns "<table>/<name>". It is also the form of a Ref: a table's name has no dash at the places of a
// UUID, so the two are never mistaken for each other.
func (id ID) String() string { return id.Table + "/" + id.Name }

// Ref returns what a translator writes into a column that holds the UUID of another row. nbsync puts the UUID
// there or, for a row of the same transaction, its named-uuid.
func Ref(table, name string) string { return ID{Table: table, Name: name}.String() }

// Row is one row as it should be.
type Row struct {
	// ID names the row. nbsync stamps it and the owner into external_ids.
	ID ID
	// Model points to the generated struct (such as *nb.LogicalSwitchPort). The columns of the table's
	// description are declared whole: what a zero value there means is "empty", not "any".
	Model model.Model
	// In lists the sets of other rows that must hold this row, or a value of it. Rows of the same
	// owner and of others may be members of one set; each declares only itself.
	In []Membership
}

// Membership says that a set column of a row holds one element, or a map column one key with its value.
type Membership struct {
	// Set is the row that has the column.
	Set ID
	// Column is the set's name, such as "ports" or "addresses", or a map's, such as "vips".
	Column string
	// Key is the key in a map; empty for a set.
	Key string
	// Value is the element, or the key's value; empty in a set of references means the UUID of the row that declares the
	// membership.
	Value string
}

// Compare orders IDs by table, then by name.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.Table, other.Table), cmp.Compare(id.Name, other.Name))
}

// Sort orders rows by ID, the order in which translators return them.
func Sort(rows []Row) []Row {
	slices.SortFunc(rows, func(a, b Row) int { return a.ID.Compare(b.ID) })
	return rows
}
