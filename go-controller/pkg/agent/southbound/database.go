// Package southbound is what an agent knows of the Southbound database: the ports of its node, and chassis that have its
// tunnel address.
package southbound

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// Database is the Southbound database, as far as it concerns this node.
type Database struct{ *ovsdb.Client }

// Dial connects to the Southbound database and watches the ports that the controller wants on this node.
// The condition is on the option and not on the column requested_chassis, whose UUID changes when ovn-controller
// registers the chassis anew.
func Dial(ctx context.Context, ovn config.OVN, node string, log logr.Logger) (*Database, error) {
	target, err := ovsdb.Southbound(ovn)
	if err != nil {
		return nil, err
	}
	var p sb.PortBinding
	here := model.Condition{Field: &p.Options, Function: libovsdb.ConditionIncludes, Value: map[string]string{nodelink.RequestedChassis: node}}
	c, err := ovsdb.Dial(ctx, target, log, client.WithConditionalTable(&p, []model.Condition{here}))
	if err != nil {
		return nil, err
	}
	return &Database{c}, nil
}

// Binding returns the Port_Binding of a logical port, or nil.
func (d *Database) Binding(ctx context.Context, logicalPort string) (*sb.PortBinding, error) {
	b, err := ovsdb.Find(ctx, d.Client, &sb.PortBinding{LogicalPort: logicalPort})
	if err != nil {
		return nil, fmt.Errorf("look up the port binding %s: %w", logicalPort, err)
	}
	return b, nil
}

// BindingOfUID returns the Port_Binding of the pod with a UID, or nil.
func (d *Database) BindingOfUID(ctx context.Context, uid string) (*sb.PortBinding, error) {
	var found []sb.PortBinding
	err := d.WhereCache(func(p *sb.PortBinding) bool { return p.Options[nodelink.InterfaceVersion] == uid }).List(ctx, &found)
	if err != nil {
		return nil, fmt.Errorf("port bindings: %w", err)
	}
	if len(found) != 1 {
		return nil, nil
	}
	return &found[0], nil
}
