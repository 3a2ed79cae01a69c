// Package vswitch holds the Open_vSwitch tables as Go structs, generated from vswitch.ovsschema; see ovs-vswitchd.conf.db(5).
package vswitch

//go:generate go tool modelgen -extended -p vswitch -o . ../schema/vswitch.ovsschema
