package bridge

import (
	"fmt"

	"github.com/digitalocean/go-openvswitch/ovs"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Switch is br-ex as ovs-vswitchd has it.
type Switch struct {
	openflow *ovs.OpenFlowService
}

// NewSwitch speaks OpenFlow to the local Open vSwitch by way of ovs-ofctl(8).
func NewSwitch(options ...ovs.OptionFunc) *Switch {
	return &Switch{openflow: ovs.New(append([]ovs.OptionFunc{ovs.Timeout(5)}, options...)...).OpenFlow}
}

// Change is how many flows were added and removed. A flow whose actions are others now counts as both.
type Change struct {
	Added, Removed int
}

// Sync makes br-ex's flows those that are wanted, the result of Facts.Flows. What differs is changed in one OpenFlow bundle:
// no packet meets half of the flows. Flows that stay are not touched and go on counting packets. A flow of others stays, unless
// one of the wanted flows has the same match and priority and takes its place.
func (s *Switch) Sync(want []*ovs.Flow) (Change, error) {
	const name = nodelink.ExternalBridge
	have, err := s.openflow.DumpFlowsWithFlowArgs(name, &ovs.MatchFlow{Table: ovs.AnyTable, Cookie: mark, CookieMask: markMask})
	if err != nil {
		return Change{}, fmt.Errorf("read the flows of %s: %w", name, err)
	}
	add, remove := difference(have, want)
	if len(add)+len(remove) == 0 {
		return Change{}, nil
	}
	err = s.openflow.AddFlowBundle(name, func(tx *ovs.FlowTransaction) error {
		for _, cookie := range remove {
			tx.Delete(&ovs.MatchFlow{Table: ovs.AnyTable, Cookie: cookie})
		}
		tx.Add(add...)
		return tx.Commit()
	})
	if err != nil {
		return Change{}, fmt.Errorf("write the flows of %s: %w", name, err)
	}
	return Change{Added: len(add), Removed: len(remove)}, nil
}

// difference returns the flows to add and the cookies of those to remove. A cookie that several flows have does not say
// which of them is the right one (a person has copied or changed a flow): then all are removed and the right one is added.
func difference(have, want []*ovs.Flow) (add []*ovs.Flow, remove []uint64) {
	count := make(map[uint64]int, len(have))
	for _, f := range have {
		count[f.Cookie]++
	}
	wanted := make(map[uint64]bool, len(want))
	for _, f := range want {
		wanted[f.Cookie] = true
		if count[f.Cookie] != 1 {
			add = append(add, f)
		}
	}
	for _, f := range have {
		n := count[f.Cookie]
		if n > 1 || n == 1 && !wanted[f.Cookie] {
			remove = append(remove, f.Cookie)
		}
		count[f.Cookie] = 0 // each cookie once
	}
	return add, remove
}
