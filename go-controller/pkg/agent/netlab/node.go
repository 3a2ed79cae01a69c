//go:build root

package netlab

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// NICMAC is the MAC of the NIC of Node.
const NICMAC = "02:00:00:00:00:0b"

// Patience is for links: the kernel may take a second or two to carry packets over one that just came up, and TCP doubles
// the time to its next attempt.
const Patience = 30 * time.Second

// Node is a namespace with a NIC that has much of what a NIC can have, and another interface is br-ex.
func Node(t *testing.T) (nic netlink.Link) {
	Enter(t)
	Device(t, "eth0", NICMAC)
	Run(t, `
		ip address add 192.0.2.11/24 dev eth0
		ip address add 192.0.2.12/24 dev eth0
		ip address add 198.51.100.1/32 dev eth0 noprefixroute
		ip address add 2001:db8::b/64 dev eth0 nodad
		ip route add 203.0.113.1/32 dev eth0 scope link metric 7
		ip route add default via 192.0.2.1 dev eth0 src 192.0.2.12 metric 100 mtu 1400
		ip route add default via 203.0.113.1 dev eth0 onlink metric 200
		ip route add 10.1.0.0/16 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 192.0.2.2 dev eth0
		ip route add 10.2.0.0/16 via 192.0.2.1 table 77
		ip route add 10.3.0.0/16 via 192.0.2.1 proto bird
		ip -6 route add default via 2001:db8::1 dev eth0 metric 512
		ip -6 route add 2001:db8:1::/48 via 2001:db8::2 dev eth0 table 77`)
	return Link(t, "eth0")
}
