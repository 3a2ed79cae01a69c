// Package sb holds the OVN_Southbound tables as Go structs, generated from ovn-sb.ovsschema; see ovn-sb(5).
package sb

//go:generate go tool modelgen -extended -p sb -o . ../schema/ovn-sb.ovsschema
