package main

import (
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// tables maps a table to the columns that Woven uses of it.
type tables map[string][]string

// northbound are the tables that translators may write, with the columns that nbsync compares.
func northbound() tables {
	used := tables{}
	for _, t := range row.Tables {
		used[t.Name] = slices.Concat(t.Whole, t.Members)
	}
	return used
}

// southbound are the tables that the controller and the agents read, see ovn-sb(5). To use another table or column,
// name it here and run `make generate`.
var southbound = tables{
	"Chassis":         {"name", "other_config"},
	"Chassis_Private": {"name"},
	"Encap":           {"chassis_name", "ip", "type"},
	"Port_Binding":    {"datapath", "external_ids", "logical_port", "mac", "options", "tunnel_key"},
}

// vswitch are the tables of a node's own database that its agent reads and writes, see ovs-vswitchd.conf.db(5). The
// agent watches all of these columns: none of them may be one that ovs-vswitchd changes every few seconds, such as
// the statistics of an interface.
var vswitch = tables{
	"Bridge":       {"datapath_type", "external_ids", "fail_mode", "name", "other_config", "ports"},
	"Interface":    {"error", "external_ids", "mac", "mtu_request", "name", "ofport", "options", "type"},
	"Open_vSwitch": {"bridges", "external_ids"},
	"Port":         {"external_ids", "interfaces", "name", "other_config"},
}
