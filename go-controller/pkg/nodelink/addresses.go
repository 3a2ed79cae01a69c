package nodelink

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
)

// PortAddresses returns the element of a logical switch port's addresses and port_security, "<MAC> <IP> <IP>". The MAC
// follows from the IP addresses.
func PortAddresses(addresses []netip.Addr) string {
	return ipam.MAC(addresses...).String() + " " + Words(addresses)
}

// ParsePortAddresses is the reverse of PortAddresses.
func ParsePortAddresses(text string) (net.HardwareAddr, []netip.Addr, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return nil, nil, fmt.Errorf("%q is not a MAC and IPs", text)
	}
	mac, err := net.ParseMAC(fields[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read the MAC in %q: %w", text, err)
	}
	var addresses []netip.Addr
	for _, field := range fields[1:] {
		a, err := netip.ParseAddr(field)
		if err != nil {
			return nil, nil, fmt.Errorf("read the IPs in %q: %w", text, err)
		}
		addresses = append(addresses, a)
	}
	return mac, addresses, nil
}

// Words returns values separated by spaces, as lists stand in external_ids.
func Words[T fmt.Stringer](values []T) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, " ")
}
