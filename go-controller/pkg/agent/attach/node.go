package attach

import (
	"context"
	"net/netip"

	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
)

// Ready is what CNI commands need of a node whose loop has come to its end.
type Ready struct {
	// Subnets are the node's pod networks.
	Subnets []netip.Prefix
	// MTU is the pods', in bytes.
	MTU int
}

// Node is what a command asks of the node's loop.
type Node interface {
	// Ready returns nil until the node is ready; later it is the last good state.
	Ready() *Ready
	// Why says why the node is not ready for pods; empty if it is.
	Why() string
	// Uninstalled says what to do about a node that Woven was taken off; empty if it was not.
	Uninstalled() string
	// South returns the Southbound database once it has been reached; Southbound the same with the context of its
	// connection, or nil if there is none now.
	South() *southbound.Database
	Southbound(ctx context.Context) (*southbound.Database, context.Context)
	// Uninstall takes everything off the node.
	Uninstall(ctx context.Context) error
}
