package agent

import (
	"fmt"

	"github.com/safchain/ethtool"
)

// offloads are what an interface may not do to packets that the userspace datapath reads or writes: leave their
// checksum to a device that never comes (ping works, TCP hangs), or join several to one larger than the MTU.
var offloads = []string{"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-checksum-sctp", "rx-gro", "rx-gro-hw", "rx-lro", "rx-udp-gro-forwarding"}

// born are those of them that network devices have on when they are made.
var born = []string{"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-checksum-sctp", "rx-gro"}

// noOffload turns offloads off on an interface of the current network namespace. What the interface does not have, or
// cannot change, is left.
func noOffload(name string) error { return setOffloads(name, offloads, false) }

// restoreOffload turns on again what noOffload turned off and what network devices have on when they are made.
func restoreOffload(name string) error { return setOffloads(name, born, true) }

func setOffloads(name string, which []string, active bool) error {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("ethtool: %w", err)
	}
	defer e.Close()
	features, err := e.FeaturesWithState(name)
	if err != nil {
		return fmt.Errorf("offloads of %s: %w", name, err)
	}
	change := map[string]bool{}
	for _, o := range which {
		if f, ok := features[o]; ok && f.Active != active && f.Available && !f.NeverChanged {
			change[o] = active
		}
	}
	if len(change) == 0 {
		return nil
	}
	if err := e.Change(name, change); err != nil {
		return fmt.Errorf("set offloads of %s to %t: %w", name, active, err)
	}
	return nil
}
