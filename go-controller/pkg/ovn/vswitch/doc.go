// Package vswitch holds the tables and columns of Open_vSwitch that Woven uses as Go structs, see ovs-vswitchd.conf.db(5). `make generate`
// writes them.
package vswitch
