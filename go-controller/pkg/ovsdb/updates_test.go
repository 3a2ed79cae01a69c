package ovsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"
)

func read(text string) (ovsdb.TableUpdates2, error) {
	all := ovsdb.TableUpdates2{}
	in := json.NewDecoder(strings.NewReader(text))
	err := readUpdates(in, func(some ovsdb.TableUpdates2) error {
		for table, rows := range some {
			if all[table] == nil {
				all[table] = ovsdb.TableUpdate2{}
			}
			for uuid, update := range rows {
				all[table][uuid] = update
			}
		}
		return nil
	})
	if err == nil && in.More() {
		err = errors.New("more than one value")
	}
	return all, err
}

// FuzzUpdates reads anything as the rows of a monitor. What RFC 7047 allows is read as libovsdb does it; the rest is refused.
func FuzzUpdates(f *testing.F) {
	f.Add(`{"Logical_Switch_Port":{"u1":{"initial":{"name":"a","enabled":["set",[]],"addresses":["set",["x","y"]],"options":["map",[["k","v"]]]}}}}`)
	f.Add(`{"Logical_Switch":{"u1":{"insert":{"ports":["uuid","u2"]}},"u2":{"modify":{"ports":["set",[["uuid","u3"],["uuid","u4"]]]}},"u5":{"delete":null}}}`)
	f.Add(`{"NAT":{"u1":{"insert":{"priority":1,"match":true,"options":["map",[[["uuid","u2"],1]]]}}}}`)
	f.Add(`{"T":{"u1":{"insert":{"c":["map",[[["set",[]],1]]]}}}}`)
	f.Add(`{"T":{"u1":{"insert":{"c":[]}}}}`)
	f.Add(`{"T":{"u1":{"insert":{"c":["map",[[{},1]]]}}}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		ours, err := read(text)
		if err != nil {
			return
		}
		var theirs ovsdb.TableUpdates2
		if json.Unmarshal([]byte(text), &theirs) != nil {
			return // A repeated name, such as of a table.
		}
		for table, rows := range ours {
			for uuid, row := range rows {
				if theirs[table][uuid] == nil {
					theirs[table][uuid] = &ovsdb.RowUpdate2{}
				}
				require.Equal(t, theirs[table][uuid], row)
			}
		}
	})
}

func TestUpdatesAreReadInParts(t *testing.T) {
	var text []string
	for i := range 5*rowsAtOnce + 1 {
		text = append(text, fmt.Sprintf(`"u%d":{"initial":{"name":"port-%d"}}`, i, i))
	}
	var sizes []int
	seen := map[string]bool{}
	in := json.NewDecoder(strings.NewReader(`{"Logical_Switch_Port":{` + strings.Join(text, ",") + `},"Empty":{}}`))
	require.NoError(t, readUpdates(in, func(some ovsdb.TableUpdates2) error {
		require.Len(t, some, 1)
		rows := some["Logical_Switch_Port"]
		sizes = append(sizes, len(rows))
		for _, update := range rows {
			seen[(*update.Initial)["name"].(string)] = true
		}
		return nil
	}))
	require.Equal(t, []int{rowsAtOnce, rowsAtOnce, rowsAtOnce, rowsAtOnce, rowsAtOnce, 1}, sizes)
	require.Len(t, seen, 5*rowsAtOnce+1)

	refused := errors.New("refused")
	in = json.NewDecoder(strings.NewReader(`{"T":{"u1":{"initial":{}}}}`))
	require.ErrorIs(t, readUpdates(in, func(ovsdb.TableUpdates2) error { return refused }), refused)
}
