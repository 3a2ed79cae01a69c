package ovs

import (
	"context"
	"fmt"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// Root returns the one row of the table Open_vSwitch, or nil in a database that nobody has initialized.
func Root(ctx context.Context, c *Database) (*vswitch.OpenvSwitch, error) {
	var rows []vswitch.OpenvSwitch
	if err := c.List(ctx, &rows); err != nil {
		return nil, fmt.Errorf("table Open_vSwitch: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// Bridge returns a bridge by name, or nil.
func Bridge(ctx context.Context, c *Database, name string) (*vswitch.Bridge, error) {
	return ovsdb.Find(ctx, c.Client, &vswitch.Bridge{Name: name})
}

// Port returns a port by name, or nil.
func Port(ctx context.Context, c *Database, name string) (*vswitch.Port, error) {
	return ovsdb.Find(ctx, c.Client, &vswitch.Port{Name: name})
}

// Interface returns an interface by name, or nil.
func Interface(ctx context.Context, c *Database, name string) (*vswitch.Interface, error) {
	return ovsdb.Find(ctx, c.Client, &vswitch.Interface{Name: name})
}

// Ofport returns an interface's OpenFlow port number, or 0 as long as it has none; an error says why
// ovs-vswitchd cannot open the interface.
func Ofport(i *vswitch.Interface) (int, error) {
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

// PatchPort returns the OpenFlow port number of the patch port that ovn-controller made on br-ex for the
// gateway router's localnet port, or 0 as long as there is none.
func PatchPort(ctx context.Context, c *Database) (int, error) {
	ex, err := Bridge(ctx, c, nodelink.ExternalBridge)
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
		i, err := Interface(ctx, c, p.Name)
		if err != nil {
			return 0, err
		}
		if n, err := Ofport(i); n != 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// Installed tells whether ovn-controller has installed an interface's flows (ovn-controller(8), ovn-installed).
func Installed(i *vswitch.Interface) bool { return i != nil && i.ExternalIDs[keyInstalled] == "true" }
