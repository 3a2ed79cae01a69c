package ovsdb_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// A server that has nothing but the tables and columns that Woven uses is good enough.
func TestWhatIsNotUsedMayBeMissing(t *testing.T) { both(t, testWhatIsNotUsedMayBeMissing) }

func testWhatIsNotUsedMayBeMissing(t *testing.T, dial dial) {
	for name, test := range map[string]struct {
		schema []byte
		target func(remote string) (ovsdb.Target, error)
	}{
		"Northbound": {schema.Northbound, func(remote string) (ovsdb.Target, error) { return ovsdb.Northbound(config.OVN{Northbound: remote}) }},
		"Southbound": {schema.Southbound, func(remote string) (ovsdb.Target, error) { return ovsdb.Southbound(config.OVN{Southbound: remote}) }},
		"Vswitch":    {schema.Vswitch, ovsdb.Vswitch},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := test.target("")
			require.NoError(t, err)
			parsed := parse(t, test.schema)
			tables, columns := len(parsed.Tables), 0
			for table := range parsed.Tables {
				if target.Model.Types()[table] == nil {
					delete(parsed.Tables, table)
					continue
				}
				parsed.edit(t, table, func(all map[string]json.RawMessage) {
					columns += len(all)
					used := map[string]bool{}
					for i := range target.Model.Types()[table].Elem().NumField() {
						used[target.Model.Types()[table].Elem().Field(i).Tag.Get("ovsdb")] = true
					}
					maps.DeleteFunc(all, func(column string, _ json.RawMessage) bool { return !used[column] })
					columns -= len(all)
				})
			}
			require.Less(t, len(parsed.Tables), tables)
			require.Positive(t, columns, "some columns are cut off")
			// Of a table that a used column refers to, the name must be there.
			for _, m := range regexp.MustCompile(`"refTable":\s*"(\w+)"`).FindAllSubmatch(parsed.text(t), -1) {
				if name := string(m[1]); parsed.Tables[name] == nil {
					parsed.Tables[name] = map[string]json.RawMessage{"columns": json.RawMessage(`{"nothing": {"type": "string"}}`)}
				}
			}
			s := ovsdbtest.Start(t, parsed.text(t))
			target, err = test.target(s.Remote)
			require.NoError(t, err)
			c, err := dial(soon(t, 5*time.Second), target, logr.Discard())
			require.NoError(t, err)
			defer c.Close()
			if name == "Northbound" {
				_, err = c.Transact(soon(t, 5*time.Second), add("a"))
				require.NoError(t, err)
				require.Equal(t, 1, c.Cache().Table(nb.LogicalSwitchTable).Len())
			}
		})
	}
}

func TestASchemaThatLacksWhatIsUsedIsRefused(t *testing.T) {
	both(t, testASchemaThatLacksWhatIsUsedIsRefused)
}

func testASchemaThatLacksWhatIsUsedIsRefused(t *testing.T, dial dial) {
	says := func(schema []byte) string {
		s := ovsdbtest.Start(t, schema)
		_, err := dial(soon(t, time.Second), northbound(t, s.Remote), logr.Discard())
		require.ErrorContains(t, err, "database OVN_Northbound at "+s.Remote+" has an older schema than OVN 25.03, it lacks ")
		return err.Error()
	}
	// NAT.match, which the way of a node to itself needs, came with OVN 24.09.
	older := parse(t, schema.Northbound)
	older.edit(t, "NAT", func(columns map[string]json.RawMessage) { delete(columns, "match") })
	require.Regexp(t, "it lacks column match of NAT; upgrade it$", says(older.text(t)))

	older = parse(t, schema.Northbound)
	older.edit(t, "Logical_Switch", func(columns map[string]json.RawMessage) { delete(columns, "copp") })
	delete(older.Tables, "Chassis_Template_Var")
	require.Regexp(t, "it lacks column copp of Logical_Switch, table Chassis_Template_Var; upgrade it$", says(older.text(t)))

	require.Regexp(t, "it lacks table .*, table .*, table .* and [0-9]+ more; upgrade it$",
		says([]byte(`{"name": "OVN_Northbound", "version": "7.0.0", "tables": {"NB_Global": {"columns": {"name": {"type": "string"}}}}}`)))
}

// databaseSchema is a <database-schema> of RFC 7047, section 3.2, that can be cut.
type databaseSchema struct {
	Name    string                                `json:"name"`
	Version string                                `json:"version"`
	Tables  map[string]map[string]json.RawMessage `json:"tables"`
}

func parse(t *testing.T, text []byte) (s databaseSchema) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

// edit changes the columns of a table.
func (s databaseSchema) edit(t *testing.T, table string, change func(columns map[string]json.RawMessage)) {
	t.Helper()
	var columns map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(s.Tables[table]["columns"], &columns))
	change(columns)
	var err error
	s.Tables[table]["columns"], err = json.Marshal(columns)
	require.NoError(t, err)
}

func (s databaseSchema) text(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return text
}
