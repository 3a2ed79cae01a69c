// Package agent is what Woven runs on every node. It gives the node's NIC to the bridge br-ex without losing an
// address or a connection, programs br-ex's few flows, sets up the node's own port ovn0 with its routes, and answers the
// CNI shim: it wires pods to OVS ports.
//
// It knows no Kubernetes. It reads the configuration, the local Open_vSwitch database and, from the Southbound
// database, the Port_Binding rows of its own node. docs/pipeline-node.md describes every flow, route, rule and
// setting, and why it is there.
//
// Two parts work side by side. The node's loop (node.go) is level-triggered: any event of netlink, OVSDB or OpenFlow
// wakes it, it compares what is with what should be, and changes the difference; the order in which a reboot or a
// restart of Open vSwitch brings things back does not matter. The CNI server (package attach) runs each command on
// its own goroutine and waits on events, never on time.
package agent

// geneveOverhead is what Geneve takes from the underlay's MTU: 20 (IPv4) or 40 (IPv6) + 8 (UDP) + 8 (Geneve) +
// 8 (OVN's option) + 14 (the inner Ethernet header), rounded up for options to come.
const geneveOverhead = 100
