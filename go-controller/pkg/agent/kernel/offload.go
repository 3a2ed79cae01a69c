package kernel

import (
	"fmt"
	"unsafe"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// offloads are what an interface may not do to packets that the userspace datapath reads or writes: leave their
// checksum to a device that never comes (ping works, TCP hangs), or join several to one larger than the MTU.
var offloads = []string{"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-checksum-sctp", "rx-gro", "rx-gro-hw", "rx-lro", "rx-udp-gro-forwarding"}

// born are those of them that network devices have on when they are made.
var born = []string{"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-checksum-sctp", "rx-gro"}

// NoOffload turns offloads off on an interface of the current network namespace. What the interface does not have, or
// cannot change, is left.
func NoOffload(name string) error { return setOffloads(name, offloads, false) }

// RestoreOffload turns on again what NoOffload turned off and what network devices have on when they are made.
func RestoreOffload(name string) error { return setOffloads(name, born, true) }

// NoOffloadAtBirth does it for one end of a new veth, of which is known what it has: in two calls instead of seven.
func NoOffloadAtBirth(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("ethtool: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written to it
	for _, command := range []uint32{unix.ETHTOOL_STXCSUM, unix.ETHTOOL_SGRO} {
		off := struct{ command, value uint32 }{command: command}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&off)}
		copy(request.name[:unix.IFNAMSIZ-1], name)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return fmt.Errorf("offloads of %s: %w", name, errno)
		}
	}
	return nil
}

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
