package agent

import (
	"net/netip"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// aliases are the three addresses of an alias network that concern the node, see package nodelink.
type aliases struct {
	Router, Host netip.Addr
	// Own is on br-ex itself.
	Own netip.Prefix
}

func aliasesOf(network netip.Prefix) aliases {
	return aliases{
		Router: ipam.Nth(network, nodelink.AliasRouter),
		Host:   ipam.Nth(network, nodelink.AliasHost),
		Own:    netip.PrefixFrom(ipam.Nth(network, nodelink.AliasBridge), network.Bits()),
	}
}
