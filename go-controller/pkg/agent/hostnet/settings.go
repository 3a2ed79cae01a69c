package hostnet

import (
	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// hostSettings are those of ovn0.
func hostSettings() []kernel.Setting {
	return []kernel.Setting{
		// A connection of the node to itself through a Service comes back with the node's own address as source.
		{Path: "ipv4/conf/" + nodelink.HostInterface + "/rp_filter", Value: 0},
		{Path: "ipv4/conf/" + nodelink.HostInterface + "/accept_local", Value: 1},
		{Path: "ipv6/conf/" + nodelink.HostInterface + "/disable_ipv6", Value: 0},
		{Path: "ipv6/conf/" + nodelink.HostInterface + "/accept_dad", Value: 0},
		{Path: "ipv6/conf/" + nodelink.HostInterface + "/accept_ra", Value: 0},
	}
}

// relaxReversePath lets ovn0's rp_filter=0 have effect. The kernel uses the stricter of "all" and the interface, so
// a strict "all" is written down to every other interface, where it keeps its effect, and lifted from "all".
func relaxReversePath() error {
	all, err := kernel.ReadSetting("ipv4/conf/all/rp_filter")
	if err != nil || all == 0 {
		return err
	}
	interfaces, err := kernel.SettingsIn("ipv4/conf")
	if err != nil {
		return err
	}
	var settings []kernel.Setting
	for _, name := range interfaces {
		path := "ipv4/conf/" + name + "/rp_filter"
		have, err := kernel.ReadSetting(path)
		if name != "all" && name != nodelink.HostInterface && err == nil && have < all {
			settings = append(settings, kernel.Setting{Path: path, Value: all})
		}
	}
	return kernel.Apply(append(settings, kernel.Setting{Path: "ipv4/conf/all/rp_filter", Value: 0}))
}
