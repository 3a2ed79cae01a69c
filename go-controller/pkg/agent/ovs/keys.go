package ovs

import "github.com/woven-network/woven/go-controller/pkg/nodelink"

// Keys of external_ids that OVN reads or writes, see ovn-controller(8) and Open vSwitch's IntegrationGuide.
const (
	IfaceID      = "iface-id"
	IfaceVersion = nodelink.InterfaceVersion
	AttachedMAC  = "attached-mac"
	keyInstalled = "ovn-installed"
)
