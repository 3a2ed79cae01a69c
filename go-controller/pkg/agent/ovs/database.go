// Package ovs is the node's own database, Open_vSwitch: its rows, and the transactions that change them.
package ovs

import (
	"context"

	"github.com/go-logr/logr"

	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// Database is the node's own database, Open_vSwitch. It is a type of its own, so that no transaction for it can be sent to
// the Southbound database.
type Database struct{ *ovsdb.Client }

// Dial connects to the node's Open_vSwitch database and watches the few columns that the agent uses.
func Dial(ctx context.Context, remote string, log logr.Logger) (*Database, error) {
	target, err := ovsdb.Vswitch(remote)
	if err != nil {
		return nil, err
	}
	c, err := ovsdb.Dial(ctx, target, log)
	if err != nil {
		return nil, err
	}
	return &Database{c}, nil
}
