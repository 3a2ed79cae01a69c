package ovsdb

import (
	"context"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
)

// monitored notes what is asked for instead of asking.
type monitored struct {
	client.Client
	tables []client.TableMonitor
}

func (m *monitored) NewMonitor(...client.MonitorOption) *client.Monitor { return &client.Monitor{} }

func (m *monitored) Monitor(_ context.Context, asked *client.Monitor) (client.MonitorCookie, error) {
	m.tables = asked.Tables
	return client.MonitorCookie{}, nil
}

// libovsdb asks for all columns of a table for which none are named, also those that ovn-controller changes all the
// time.
func TestOnlyColumnsOfTheModelAreWatched(t *testing.T) {
	target, err := Southbound(config.OVN{})
	require.NoError(t, err)
	var m monitored
	require.NoError(t, start(t.Context(), target, &m, nil))
	asked := map[string][]string{}
	for _, table := range m.tables {
		asked[table.Table] = table.Fields
	}
	require.Len(t, asked, len(target.Model.Types()))
	require.ElementsMatch(t, []string{"name", "other_config"}, asked["Chassis"])
	require.ElementsMatch(t, []string{"chassis_name", "ip", "type"}, asked["Encap"])
}
