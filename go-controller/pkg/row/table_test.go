package row

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
)

type schemaTable struct {
	Columns map[string]struct{ Type json.RawMessage }
	Indexes [][]string
	IsRoot  bool `json:"isRoot"`
}

// refTable returns the table to which a column refers, or "".
func refTable(column json.RawMessage) string { return referenceOf(column).RefTable }

// strongRef returns the table to which the column's references keep rows alive, or "".
func strongRef(column json.RawMessage) string {
	if r := referenceOf(column); r.RefType != "weak" {
		return r.RefTable
	}
	return ""
}

type reference struct{ RefTable, RefType string }

func referenceOf(column json.RawMessage) (r reference) {
	var c struct {
		Key json.RawMessage
	}
	if json.Unmarshal(column, &c) != nil || json.Unmarshal(c.Key, &r) != nil {
		return reference{}
	}
	return r
}

func TestTablesAreThoseOfTheSchema(t *testing.T) {
	var s struct{ Tables map[string]schemaTable }
	require.NoError(t, json.Unmarshal(schema.Northbound, &s))
	for _, table := range Tables {
		in, ok := s.Tables[table.Name]
		require.True(t, ok, table.Name)

		var columns []string
		for c := range in.Columns {
			columns = append(columns, c)
		}
		described := slices.Concat(table.Whole, table.Members, table.Others)
		require.ElementsMatch(t, columns, described, "%s: every column is whole, members or others", table.Name)
		require.Equal(t, in.IsRoot, table.Root(), table.Name)
		for _, p := range table.Parents {
			require.Equal(t, table.Name, strongRef(s.Tables[p.Table].Columns[p.Column].Type), "%s: parent %v", table.Name, p)
		}
		for _, c := range table.Members {
			// nbsync looks up whose row each element of such a set is.
			if to := refTable(in.Columns[c].Type); to != "" {
				_, described := Northbound(to)
				require.True(t, described, "%s: the column %s has rows of %s, which has no description", table.Name, c, to)
			}
		}

		_, hasName := in.Columns[table.ColumnOfName()]
		_, hasExternalIDs := in.Columns["external_ids"]
		switch table.Naming {
		case ByColumn:
			require.True(t, hasName && hasExternalIDs, table.Name)
		case ByExternalID:
			require.True(t, hasExternalIDs, table.Name)
		case ByReservedName:
			require.True(t, hasName && !hasExternalIDs, table.Name)
		case ByPort:
			require.False(t, hasExternalIDs, table.Name)
		}
		if table.Naming == ByColumn || table.Naming == ByReservedName {
			unique := slices.ContainsFunc(in.Indexes, func(i []string) bool { return slices.Equal(i, []string{table.ColumnOfName()}) })
			require.Equal(t, unique, table.Unique, table.Name)
		}
	}
}

func TestRefIsReversible(t *testing.T) {
	id, ok := ParseRef(Ref("Logical_Switch_Port", "default/web-0"))
	require.True(t, ok)
	require.Equal(t, ID{Table: "Logical_Switch_Port", Name: "default/web-0"}, id)
	_, ok = ParseRef("2f77b348-9768-4866-b761-89d5177ecda0")
	require.False(t, ok)
}
