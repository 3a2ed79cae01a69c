// Package sb holds the tables and columns of OVN_Southbound that Woven uses as Go structs, see ovn-sb(5). `make generate`
// writes them.
package sb
