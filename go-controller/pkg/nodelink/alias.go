package nodelink

import (
	"net/netip"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
)

// Aliases are the three addresses of an alias network that concern a node.
type Aliases struct {
	// Router and Host are those of AliasRouter and AliasHost.
	Router, Host netip.Addr
	// Own is that of AliasBridge, with the network's prefix length.
	Own netip.Prefix
}

// AliasesOf returns the aliases in an alias network, one of config.Parsed.Alias.
func AliasesOf(network netip.Prefix) Aliases {
	return Aliases{
		Router: ipam.Nth(network, AliasRouter),
		Host:   ipam.Nth(network, AliasHost),
		Own:    netip.PrefixFrom(ipam.Nth(network, AliasBridge), network.Bits()),
	}
}
