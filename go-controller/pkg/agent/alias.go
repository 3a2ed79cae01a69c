package agent

import "net/netip"

// aliases are the three addresses of an alias network: a gateway router and its host speak to each other in it.
type aliases struct {
	// Router is the gateway router as the host sees it.
	Router netip.Addr
	// Host stands for the host towards the router; no interface has it, br-ex's flows translate it.
	Host netip.Addr
	// Own is on br-ex itself, so that the host has a route to Router.
	Own netip.Prefix
}

func aliasesOf(network netip.Prefix) aliases {
	router := network.Masked().Addr().Next()
	host := router.Next()
	return aliases{Router: router, Host: host, Own: netip.PrefixFrom(host.Next(), network.Bits())}
}
