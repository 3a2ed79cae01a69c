package uplink

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
)

func addr(s string) netip.Addr      { return netip.MustParseAddr(s) }
func prefixP(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func via(dst, gateway string, metric int) kernel.Route {
	return kernel.Route{Dst: prefixP(dst), Gateway: addr(gateway), Table: kernel.MainTable, Metric: metric, Protocol: unix.RTPROT_STATIC}
}

func has(prefixes ...string) []kernel.Address {
	var all []kernel.Address
	for _, p := range prefixes {
		all = append(all, kernel.Address{Prefix: prefixP(p)})
	}
	return all
}
