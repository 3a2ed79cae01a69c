package row

import (
	"cmp"
	"strings"
)

// Marks that nbsync writes into the external_ids of every row of ours. A row without OwnerKey is somebody else's
// and is never touched.
const (
	// OwnerKey maps to the Owner of the row.
	OwnerKey = "woven.network/owner"
	// NameKey maps to the ID's name, in tables that have no name column.
	NameKey = "woven.network/name"
	// ReservedPrefix begins the name of every row of ours in a table that has a name but no external_ids.
	ReservedPrefix = "woven-"
)

// Table describes how Woven uses one table of the Northbound database: which columns translators declare, and
// how a row's name and owner are found in it.
type Table struct {
	// Name of the table, such as "Logical_Switch_Port".
	Name string
	// Whole lists the columns that a Row's model declares whole: zero means empty. external_ids and the name
	// column are always among them where the table has them.
	Whole []string
	// Members lists the set and map columns that hold what memberships say: many owners may declare members of one
	// set. Elements that the model itself lists count as memberships of its owner.
	Members []string
	// NameColumn is the column that has the ID's name, where that is not "name".
	NameColumn string
	// Expressions lists the columns that hold an expression of ovn-sb(5) and may name address sets and port groups: their
	// owner waits for these, and they stay for as long as an expression names them.
	Expressions []string
	// Others lists the columns that OVN writes or that Woven has no use for; they are never compared.
	Others []string
	// Name column, external_ids or a reserved name: how a row tells its ID.
	Naming Naming
	// Unique says that the schema allows a name only once, so that a row of somebody else's can be in the way.
	Unique bool
	// Parents lists the sets of which one must hold the row, or the server deletes it at the end of the
	// transaction (RFC 7047, section 3.2, "isRoot"). Empty for a root table.
	Parents []Column
}

// Column names a column of a table.
type Column struct{ Table, Column string }

// Naming says how rows of a table tell their ID and owner.
type Naming int

const (
	// ByColumn means that the column "name" is the ID's name, and the owner stands in external_ids.
	ByColumn Naming = iota
	// ByExternalID means that name and owner both stand in external_ids.
	ByExternalID
	// ByReservedName means that there are no external_ids; a name that begins with ReservedPrefix is ours.
	ByReservedName
	// ByPort means that there are no external_ids; the ID's name is "<logical_port>/<ip>" and the row has the same owner as the
	// Logical_Router_Port of that name.
	ByPort
)

// ColumnOfName returns the column that has the ID's name in a table whose Naming is ByColumn or ByReservedName.
func (t Table) ColumnOfName() string { return cmp.Or(t.NameColumn, "name") }

// Root says whether a row may stand alone.
func (t Table) Root() bool { return len(t.Parents) == 0 }

// IsMembers says whether the column is a set made by memberships.
func (t Table) IsMembers(column string) bool {
	for _, c := range t.Members {
		if c == column {
			return true
		}
	}
	return false
}

// Northbound returns the description of a table, false for a table that Woven does not use.
func Northbound(table string) (Table, bool) {
	t, ok := byName[table]
	return t, ok
}

// ParseRef is the reverse of Ref. It returns false for text that is no reference, such as a UUID.
func ParseRef(text string) (ID, bool) {
	table, name, ok := strings.Cut(text, "/")
	return ID{Table: table, Name: name}, ok && name != ""
}

// PortBindingName is the name of a Static_MAC_Binding's ID.
func PortBindingName(logicalPort, ip string) string { return logicalPort + "/" + ip }

// SplitPortBindingName is the reverse of PortBindingName. An IP has no slash, a port's name may have some.
func SplitPortBindingName(name string) (logicalPort, ip string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

var byName = func() map[string]Table {
	m := make(map[string]Table, len(Tables))
	for _, t := range Tables {
		m[t.Name] = t
	}
	return m
}()
