package uplink

import (
	"encoding/json"
	"fmt"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// Key is the key of external_ids, in the Bridge row of br-ex, of what was taken from the NIC (type memory).
const Key = "woven.network/uplink"

// Memory is what is kept in external_ids of br-ex's Bridge row, which survives the agent, ovs-vswitchd (whose userspace
// interfaces vanish with it) and a reboot.
type Memory struct {
	// NIC is the name of the interface.
	NIC string `json:"nic"`
	// MAC is the NIC's, and br-ex's.
	MAC string `json:"mac"`
	// MTU is the NIC's, in bytes.
	MTU int `json:"mtu"`
	// Boot is the kernel's boot ID (random(4)) at the time of writing.
	Boot string `json:"boot"`
	// Before maps the kernel settings of the node as a whole (globalSettings) to their values before the agent's
	// first start, for uninstall.
	Before map[string]int `json:"before,omitempty"`
	kernel.State
}

func (m Memory) String() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // no field can fail to marshal
	}
	return string(text)
}

// ParseMemory reads what Memory.String wrote; an empty text is an empty memory.
func ParseMemory(text string) (m Memory, err error) {
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("external_ids:%s of bridge %s is not readable; remove it with `ovs-vsctl remove bridge %s external_ids %s` if the node has its addresses: %w",
			Key, nodelink.ExternalBridge, nodelink.ExternalBridge, Key, err)
	}
	return m, nil
}

// decide returns what br-ex should have, given what the NIC and br-ex have now and what is remembered.
//
// As long as the machine has not been booted again, the memory holds: what is missing was lost with a restart of
// ovs-vswitchd and comes back; what is new, on the NIC (by a DHCP client) or on br-ex (by hand), is added; for
// two versions of a route the kernel's is the newer. After a boot, the NIC's own configuration is the newer truth,
// and the memory holds only if the NIC has none.
func decide(remembered, nic, ex kernel.State, rebooted bool) kernel.State {
	now := kernel.Merge(nic, ex)
	if rebooted && len(nic.Addresses) > 0 {
		return now
	}
	return kernel.Merge(now, remembered)
}
