// Package bridge is br-ex's flows. Facts.Flows is pure: it says which flows there should be. Switch.Sync changes what the
// switch has by the difference, and Watch tells when the switch has been started and has none. docs/pipeline-node.md
// describes every flow, and why it is there.
package bridge

// Conntrack zones of br-ex. ovn-controller is told to keep to those below (external_ids:ct-zone-range), because
// zones are shared by all bridges of a datapath.
const (
	zoneWorld = 64000 // zone A: who owns a connection with the world, OVN or the host
	zoneAlias = 64001 // zone B: the host reached by its alias
	// OVNZones are those that are left to ovn-controller (ct-zone-range).
	OVNZones = "1-63999"
)

// Values of ct_mark in zoneWorld.
const (
	markOVN  = 1
	markHost = 2
)

// genevePort is the UDP port of Geneve (RFC 8926).
const genevePort = 6081
