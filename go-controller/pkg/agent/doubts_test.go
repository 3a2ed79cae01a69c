package agent

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// settled are the pods that the loop has had settled.
type settled struct{ names []string }

func (s *settled) Tidy(context.Context) error { return nil }
func (s *settled) Announce() error            { return nil }
func (s *settled) Settle(_ context.Context, names []string) error {
	s.names = append(s.names, names...)
	return nil
}

// A pod of which something has gone is settled once, however often that is heard of, and not by a loop at rest.
func TestDoubtsAreSettledOnce(t *testing.T) {
	local, _ := localDatabase(t)
	pods := &settled{}
	n := &node{local: local, pods: pods, wakeup: make(chan struct{}, 1), doubted: newDoubts()}
	for _, name := range []string{"w2", "w1", "w2"} {
		n.doubted.add(name)
	}
	require.NoError(t, n.settleDoubts(t.Context()))
	require.Equal(t, []string{"w1", "w2"}, pods.names)
	n.rest()
	n.doubted.add("w3")
	require.NoError(t, n.settleDoubts(t.Context()))
	require.Equal(t, []string{"w1", "w2"}, pods.names)
}
