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

// strongRef returns the table to which the column's references keep rows alive, or "".
func strongRef(column json.RawMessage) string {
	var c struct {
		Key json.RawMessage
	}
	if json.Unmarshal(column, &c) != nil {
		return ""
	}
	var key struct{ RefTable, RefType string }
	if json.Unmarshal(c.Key, &key) != nil || key.RefType == "weak" {
		return ""
	}
	return key.RefTable
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

		_, hasName := in.Columns["name"]
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
			unique := slices.ContainsFunc(in.Indexes, func(i []string) bool { return slices.Equal(i, []string{"name"}) })
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
