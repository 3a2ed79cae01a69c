package nbsync

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Text that ovsdb-server cannot read ends the connection, not the transaction: one pod's annotation would keep the engine
// from writing anything for anybody.
func TestTextThatTheServerCannotRead(t *testing.T) {
	for name, text := range map[string]string{"NUL": "a\x00b", "no UTF-8": "a\xffb"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			small(w)
			bad := pod("default/bad", "worker-1", "10.244.1.9", in("Port_Group", "pg-web", "ports"))
			bad.Model.(*nb.LogicalSwitchPort).ExternalIDs = map[string]string{"uid": text}
			w.want(owner("pod/default/bad"), bad)
			w.want(owner("pod/default/worse"), pod("default/worse", "worker-1", "10.244.1.8", value("Address_Set", "as-web", "addresses", text)))
			w.want(owner("node/bad"), row.Row{ID: id("Logical_Switch", "bad"), Model: &nb.LogicalSwitch{Name: "bad", OtherConfig: map[string]string{text: ""}}})
			w.start()
			w.uuid("Logical_Switch_Port", "default/web-0")
			w.sync(owner("pod/default/web-1"), pod("default/web-1", "worker-1", "10.244.1.6"))
			w.uuid("Logical_Switch_Port", "default/web-1")
			require.Empty(t, w.find("Logical_Switch_Port", "name", "default/bad"))
			require.Len(t, w.logged(), 3)
			require.Contains(t, w.logged()[0], "has text that the database does not take")
		})
	}
}
