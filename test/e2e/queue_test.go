//go:build e2e

package e2e

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// packetSocket matches the interface of a packet socket and the number of packets that it had no room for, the last
// of what ss shows of its memory.
var packetSocket = regexp.MustCompile(`\*:(\S+).*skmem:\([^)]*,d(\d+)\)`)

// queueDrops maps the interfaces of nodes to the packets that were lost on the way into the userspace datapath. It reads
// NICs and pods' links by packet sockets and the host's ports as taps. Their queues hold some hundred packets, and on
// a machine with more to do than processors ovs-vswitchd comes too late at times. What is lost there is lost by the
// sandbox's machine, not by Woven; the kernel's datapath has no such queue.
func queueDrops(t *testing.T, nodes ...node) map[string]int {
	t.Helper()
	drops := map[string]int{}
	for _, n := range nodes {
		for _, m := range packetSocket.FindAllStringSubmatch(n.run(t, "ss", "--packet", "--numeric", "--memory"), -1) {
			count, err := strconv.Atoi(m[2])
			require.NoError(t, err)
			drops[n.name+" "+m[1]] = count
		}
		require.NoError(t, n.place(t).do(func() error {
			for _, name := range []string{"br-ex", "ovn0"} {
				link, err := netlink.LinkByName(name)
				if err != nil {
					return err
				}
				// A tap's queue is full when the kernel transmits.
				drops[n.name+" "+name] = int(link.Attrs().Statistics.TxDropped)
			}
			return nil
		}))
	}
	return drops
}

// newDrops counts the packets that were lost since.
func newDrops(before, after map[string]int) int {
	total := 0
	for name, count := range after {
		total += max(0, count-before[name])
	}
	return total
}
