package agent

import (
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// listenLocal tells waiting CNI commands, and the node's loop by wake and doubt, of changed rows.
func listenLocal(local *ovs.Database, news *news, wake func(), doubt func(hostEnd string)) {
	local.Cache().AddEventHandler(rowHandler(func(m model.Model, gone bool) {
		switch r := m.(type) {
		case *vswitch.Interface:
			news.tell(interfaceTopic(r.Name))
			switch {
			case !isHostEnd(r.Name):
				wake()
			case gone:
				doubt(r.Name)
			}
		case *vswitch.Port:
			if !isHostEnd(r.Name) {
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

// listenSouthbound does the same for Port_Bindings.
func listenSouthbound(south *southbound.Database, news *news, wake func()) {
	south.Cache().AddEventHandler(rowHandler(func(m model.Model, _ bool) {
		if r, ok := m.(*sb.PortBinding); ok {
			news.tell(bindingTopic(r.LogicalPort))
			if r.ExternalIDs[nodelink.SubnetsKey] != "" {
				wake()
			}
		}
	}))
}

// rowHandler calls changed for every event with the row as it is or, when it is gone, as it was.
func rowHandler(changed func(m model.Model, gone bool)) cache.EventHandler {
	return &cache.EventHandlerFuncs{
		AddFunc:    func(_ string, m model.Model) { changed(m, false) },
		UpdateFunc: func(_ string, _, m model.Model) { changed(m, false) },
		DeleteFunc: func(_ string, m model.Model) { changed(m, true) },
	}
}
