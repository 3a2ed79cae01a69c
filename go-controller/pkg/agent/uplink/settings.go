package uplink

import (
	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// globalSettings are those that the agent changes for the node as a whole, and uninstall sets back.
var globalSettings = []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"}

// NodeSettings are those of the node as a whole.
func NodeSettings(routerAdvertisements bool) []kernel.Setting {
	s := []kernel.Setting{
		// kubeadm and others expect it of a node. The host forwards nothing to or from pods: see noRouter.
		{Path: "ipv4/ip_forward", Value: 1},
		{Path: "ipv6/conf/all/forwarding", Value: 1},
	}
	if routerAdvertisements {
		// A forwarding host ignores router advertisements unless told twice.
		s = append(s, kernel.Setting{Path: "ipv6/conf/" + nodelink.ExternalBridge + "/accept_ra", Value: 2})
	}
	return s
}

// bridgeSettings are those of br-ex.
func bridgeSettings() []kernel.Setting {
	return []kernel.Setting{
		{Path: "ipv6/conf/" + nodelink.ExternalBridge + "/disable_ipv6", Value: 0},
		// Its addresses were the NIC's a moment ago: no second in which they are only tentative.
		{Path: "ipv6/conf/" + nodelink.ExternalBridge + "/accept_dad", Value: 0},
	}
}

// quietSettings are those of an interface that is only a port of a bridge: the kernel must have no address on it
// and say nothing on it by itself.
func quietSettings(name string) []kernel.Setting {
	return []kernel.Setting{{Path: "ipv6/conf/" + name + "/disable_ipv6", Value: 1}}
}
