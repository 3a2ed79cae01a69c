//go:build root

package kernel

import (
	"testing"

	"github.com/safchain/ethtool"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
)

// Both ends of a new veth have nothing left to the devices that the userspace datapath does not have.
func TestNoOffloadAtBirth(t *testing.T) {
	netlab.Enter(t)
	netlab.Run(t, "ip link add name end-a type veth peer name end-b")
	e, err := ethtool.NewEthtool()
	require.NoError(t, err)
	defer e.Close()
	for _, name := range []string{"end-a", "end-b"} {
		require.NoError(t, NoOffloadAtBirth(name))
		features, err := e.FeaturesWithState(name)
		require.NoError(t, err)
		for _, o := range offloads {
			require.Falsef(t, features[o].Active, "%s of %s", o, name)
		}
	}
	require.Error(t, NoOffloadAtBirth("nobody"))
}
