package agent

import (
	"fmt"

	"github.com/digitalocean/go-openvswitch/ovs"
)

// ofctl speaks OpenFlow to the local Open vSwitch by way of ovs-ofctl(8).
func ofctl() *ovs.OpenFlowService { return ovs.New(ovs.Timeout(5)).OpenFlow }

// replaceFlows makes br-ex's flows those that are wanted, and tells whether it had to. They are replaced in one
// OpenFlow bundle: no packet meets half of them.
func replaceFlows(c *ovs.OpenFlowService, want []*ovs.Flow) (changed bool, err error) {
	have, err := c.DumpFlows(bridgeEx)
	if err != nil {
		return false, fmt.Errorf("read the flows of %s: %w", bridgeEx, err)
	}
	if sameFlows(have, want) {
		return false, nil
	}
	err = c.AddFlowBundle(bridgeEx, func(tx *ovs.FlowTransaction) error {
		tx.Delete(everyFlow(have)...)
		tx.Add(want...)
		return tx.Commit()
	})
	if err != nil {
		return false, fmt.Errorf("write the flows of %s: %w", bridgeEx, err)
	}
	return true, nil
}

// sameFlows compares by number and cookie, because the text that Open vSwitch gives back is not the text it was
// given (it normalizes matches), while the cookie is the hash of the text that was.
func sameFlows(have, want []*ovs.Flow) bool {
	if len(have) != len(want) {
		return false
	}
	for _, f := range have {
		if f.Cookie != want[0].Cookie {
			return false
		}
	}
	return true
}

// everyFlow matches all flows of the tables that are in use, in ours and in those that have is in.
func everyFlow(have []*ovs.Flow) []*ovs.MatchFlow {
	tables := map[int]bool{tableStart: true, tableFromNIC: true, tableToHost: true, tableToRouter: true}
	for _, f := range have {
		tables[f.Table] = true
	}
	var matches []*ovs.MatchFlow
	for t := range tables {
		matches = append(matches, &ovs.MatchFlow{Table: t})
	}
	return matches
}
