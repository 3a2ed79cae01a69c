package main

import (
	"encoding/json"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
)

func TestTheListsFitTheSchema(t *testing.T) {
	for _, test := range []struct {
		used tables
		says string
	}{
		{used: southbound},
		{tables{"Chassis": {"name"}, "Encap": {"ip", "type"}}, ""},
		{tables{"Chassiss": {"name"}}, "there is no table Chassiss"},
		{tables{"Chassis": {"name", "color"}}, "table Chassis has no column color"},
		{tables{"Port_Binding": {"logical_port", "datapath"}}, "table Port_Binding has an index over the column tunnel_key, so that must be among its used columns"},
	} {
		var db ovsdb.DatabaseSchema
		require.NoError(t, json.Unmarshal(schema.Southbound, &db))
		err := cut(&db, test.used)
		if test.says != "" {
			require.EqualError(t, err, test.says)
			continue
		}
		require.NoError(t, err)
		left := tables{}
		for name, table := range db.Tables {
			for c := range table.Columns {
				left[name] = append(left[name], c)
			}
		}
		require.Len(t, left, len(test.used))
		for name, columns := range test.used {
			require.ElementsMatch(t, columns, left[name], name)
		}
	}
}
