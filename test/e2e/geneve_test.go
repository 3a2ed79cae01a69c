//go:build e2e

package e2e

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// genevePort is the UDP port of Geneve (RFC 8926).
const genevePort = 6081

// overlay is what an attacker has to know of a pod to have a packet delivered to it by OVN's tunnels. Keys are small
// numbers: guessing takes seconds.
type overlay struct {
	// network and port are the tunnel keys of the pod's logical switch and port.
	network, port uint32
	mac           net.HardwareAddr
	addr          netip.Addr
}

// sbctl runs ovn-sbctl beside the southbound database.
func sbctl(t *testing.T, args ...string) string {
	t.Helper()
	pod := wovenPod(t, "woven-ovn-central", "")
	return execInContainer(t, pod, "southbound", append([]string{"ovn-sbctl", "--db=unix:/run/ovn/ovnsb_db.sock"}, args...)...)
}

// overlayOf looks up how tunnels address a pod.
func overlayOf(t *testing.T, pod *corev1.Pod, addr netip.Addr) overlay {
	t.Helper()
	key := func(table, condition string) uint32 {
		text := strings.TrimSpace(sbctl(t, "--bare", "--columns=tunnel_key", "find", table, condition))
		k, err := strconv.ParseUint(text, 10, 24)
		require.NoErrorf(t, err, "tunnel key of %s", condition)
		return uint32(k)
	}
	port := pod.Namespace + "/" + pod.Name
	macs := strings.Fields(sbctl(t, "--bare", "--columns=mac", "find", "Port_Binding", "logical_port="+strconv.Quote(port)))
	mac, err := net.ParseMAC(macs[0])
	require.NoError(t, err)
	return overlay{
		network: key("Datapath_Binding", "external_ids:name="+pod.Spec.NodeName),
		port:    key("Port_Binding", "logical_port="+strconv.Quote(port)), mac: mac, addr: addr,
	}
}

// packet returns the payload of a UDP packet to port 6081 that OVN takes for a packet of its own to the pod: a Geneve
// header with the switch's key, OVN's option (class 0x0102, type 0x80; ovn-architecture(7), "Tunnel Encapsulations"),
// and an Ethernet frame with a UDP packet from an address that no pod has.
func (o overlay) packet(source netip.Addr, port uint16, message string) []byte {
	p := []byte{2, 0x40, 0x65, 0x58} // 2 words of options, of which one is critical; an Ethernet frame follows
	p = binary.BigEndian.AppendUint32(p, o.network<<8)
	p = append(p, 0x01, 0x02, 0x80, 1)
	const anyIngress = 1
	p = binary.BigEndian.AppendUint32(p, anyIngress<<16|o.port)
	p = append(p, o.mac...)
	p = append(p, 0x0a, 0x58, 0, 0, 0, 1)
	udp := binary.BigEndian.AppendUint16(nil, 4242)
	udp = binary.BigEndian.AppendUint16(udp, port)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(message)))
	udp = binary.BigEndian.AppendUint16(udp, 0)
	udp = append(udp, message...)
	pseudo := append(source.AsSlice(), o.addr.AsSlice()...)
	pseudo = append(pseudo, 0, 17)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(udp)))
	binary.BigEndian.PutUint16(udp[6:], checksum(append(pseudo, udp...)))
	if o.addr.Is4() {
		ip := []byte{0x45, 0}
		ip = binary.BigEndian.AppendUint16(ip, uint16(20+len(udp)))
		ip = append(ip, 0, 0, 0, 0, 64, 17, 0, 0)
		ip = append(append(ip, source.AsSlice()...), o.addr.AsSlice()...)
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
		return append(append(append(p, 0x08, 0x00), ip...), udp...)
	}
	ip := []byte{0x60, 0, 0, 0}
	ip = binary.BigEndian.AppendUint16(ip, uint16(len(udp)))
	ip = append(append(append(ip, 17, 64), source.AsSlice()...), o.addr.AsSlice()...)
	return append(append(append(p, 0x86, 0xdd), ip...), udp...)
}

// checksum is the Internet checksum (RFC 1071).
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
