package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/client"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// find returns a row that has the index of the given one, or nil.
func find[T any](ctx context.Context, c *ovsdb.Client, row *T) (*T, error) {
	err := c.Get(ctx, row)
	if errors.Is(err, client.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row, nil
}

// switchRow returns the one row of the table Open_vSwitch, or nil in a database that nobody has initialized.
func switchRow(ctx context.Context, c *ovsdb.Client) (*vswitch.OpenvSwitch, error) {
	var rows []vswitch.OpenvSwitch
	if err := c.List(ctx, &rows); err != nil {
		return nil, fmt.Errorf("table Open_vSwitch: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// bridgeRow returns a bridge by name, or nil.
func bridgeRow(ctx context.Context, c *ovsdb.Client, name string) (*vswitch.Bridge, error) {
	return find(ctx, c, &vswitch.Bridge{Name: name})
}

// portRow returns a port by name, or nil.
func portRow(ctx context.Context, c *ovsdb.Client, name string) (*vswitch.Port, error) {
	return find(ctx, c, &vswitch.Port{Name: name})
}

// interfaceRow returns an interface by name, or nil.
func interfaceRow(ctx context.Context, c *ovsdb.Client, name string) (*vswitch.Interface, error) {
	return find(ctx, c, &vswitch.Interface{Name: name})
}

// ofport returns an interface's OpenFlow port number, or 0 as long as it has none; an error says why
// ovs-vswitchd cannot open the interface.
func ofport(i *vswitch.Interface) (int, error) {
	switch {
	case i == nil || i.Ofport == nil:
		return 0, nil
	case *i.Ofport > 0:
		return *i.Ofport, nil
	case i.Error != nil:
		return 0, fmt.Errorf("ovs-vswitchd cannot open %s: %s", i.Name, *i.Error)
	default:
		return 0, fmt.Errorf("ovs-vswitchd cannot open %s; its log says why", i.Name)
	}
}

// patchPort returns the OpenFlow port number of the patch port that ovn-controller made on br-ex for the
// gateway router's localnet port, or 0 as long as there is none.
func patchPort(ctx context.Context, c *ovsdb.Client) (int, error) {
	ex, err := bridgeRow(ctx, c, nodelink.ExternalBridge)
	if err != nil || ex == nil {
		return 0, err
	}
	var ports []vswitch.Port
	err = c.WhereCache(func(p *vswitch.Port) bool {
		return p.ExternalIDs["ovn-localnet-port"] != "" && slices.Contains(ex.Ports, p.UUID)
	}).List(ctx, &ports)
	if err != nil {
		return 0, fmt.Errorf("patch port: %w", err)
	}
	for _, p := range ports {
		i, err := interfaceRow(ctx, c, p.Name)
		if err != nil {
			return 0, err
		}
		if n, err := ofport(i); n != 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}
