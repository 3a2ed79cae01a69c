package agent

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// dialLocal connects to the node's Open_vSwitch database and watches the few columns that the agent uses.
func dialLocal(ctx context.Context, remote string, log logr.Logger) (*ovsdb.Client, error) {
	target, err := ovsdb.Vswitch(remote)
	if err != nil {
		return nil, err
	}
	return ovsdb.Dial(ctx, target, log)
}

// dialSouthbound connects to the Southbound database and watches the ports that the controller wants on this node.
// The condition is on the option and not on the column requested_chassis, whose UUID changes when ovn-controller
// registers the chassis anew.
func dialSouthbound(ctx context.Context, c config.OVN, node string, log logr.Logger) (*ovsdb.Client, error) {
	target, err := ovsdb.Southbound(c)
	if err != nil {
		return nil, err
	}
	var p sb.PortBinding
	here := model.Condition{Field: &p.Options, Function: libovsdb.ConditionIncludes, Value: map[string]string{nodelink.RequestedChassis: node}}
	return ovsdb.Dial(ctx, target, log, client.WithConditionalTable(&p, []model.Condition{here}))
}

// listenLocal tells waiting CNI commands, and the node's loop by wake and doubt, of changed rows.
func listenLocal(local *ovsdb.Client, news *news, wake func(), doubt func(hostEnd string)) {
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
func listenSouthbound(south *ovsdb.Client, news *news, wake func()) {
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

// binding returns the Port_Binding of a logical port, or nil.
func binding(ctx context.Context, south *ovsdb.Client, logicalPort string) (*sb.PortBinding, error) {
	b, err := find(ctx, south, &sb.PortBinding{LogicalPort: logicalPort})
	if err != nil {
		return nil, fmt.Errorf("look up the port binding %s: %w", logicalPort, err)
	}
	return b, nil
}
