package agent

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// listenLocal tells the node's loop, by wake and doubt, of changed rows.
func listenLocal(local *ovs.Database, wake func(), doubt func(hostEnd string)) {
	local.Cache().AddEventHandler(ovsdb.OnRow(func(m model.Model, gone bool) {
		switch r := m.(type) {
		case *vswitch.Interface:
			switch {
			case !attach.IsHostEnd(r.Name):
				wake()
			case gone:
				doubt(r.Name)
			}
		case *vswitch.Port:
			if !attach.IsHostEnd(r.Name) {
				wake()
			}
		case *vswitch.Bridge:
			// Each pod changes br-int's ports; only what is ours to set matters there.
			if r.Name != nodelink.IntegrationBridge {
				wake()
			}
		default:
			wake()
		}
	}))
}

// listenSouthbound does the same for the Port_Binding of the node's own port.
func listenSouthbound(south *southbound.Database, wake func()) {
	south.Cache().AddEventHandler(ovsdb.OnRow(func(m model.Model, _ bool) {
		if r, ok := m.(*sb.PortBinding); ok && r.ExternalIDs[nodelink.SubnetsKey] != "" {
			wake()
		}
	}))
}
