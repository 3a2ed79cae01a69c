// Package schema holds the OVSDB schemas of the OVN and OVS releases that Woven ships (OVN 25.03, OVS 3.5),
// unchanged. The Go structs of packages nb, sb and vswitch are generated from what Woven uses of them; tests serve them
// with a real ovsdb-server.
package schema

import _ "embed"

// Northbound is the schema of the OVN_Northbound database, see ovn-nb(5).
//
//go:embed ovn-nb.ovsschema
var Northbound []byte

// Southbound is the schema of the OVN_Southbound database, see ovn-sb(5).
//
//go:embed ovn-sb.ovsschema
var Southbound []byte

// Vswitch is the schema of the Open_vSwitch database, see ovs-vswitchd.conf.db(5).
//
//go:embed vswitch.ovsschema
var Vswitch []byte
