// Package nb holds the tables and columns of OVN_Northbound that Woven uses as Go structs, see ovn-nb(5). `make generate`
// writes them.
package nb
