// Package nb holds the OVN_Northbound tables as Go structs, generated from ovn-nb.ovsschema; see ovn-nb(5).
package nb

//go:generate go tool modelgen -extended -p nb -o . ../schema/ovn-nb.ovsschema
