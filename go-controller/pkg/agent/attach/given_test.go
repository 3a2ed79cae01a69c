package attach

import (
	"context"
	"net/netip"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// localDatabase is a real ovsdb-server with an empty Open_vSwitch database, and a client.
func localDatabase(t *testing.T) (*ovs.Database, context.Context) {
	s := ovsdbtest.Start(t, schema.Vswitch)
	c, err := ovs.Dial(t.Context(), s.Remote, logr.Discard())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	session, err := c.Session(t.Context())
	require.NoError(t, err)
	return c, session
}
