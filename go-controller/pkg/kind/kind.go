// Package kind is the one form that all translators have. A kind says which owners there are, which of them a change
// of an object concerns, and which rows an owner should have. It is pure: values in, sorted rows out. The registry of
// kinds is in package controller.
package kind

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Kind is a kind of owners: what one translator knows.
type Kind struct {
	// Name is the Kind of its owners, such as "pod". It stands in the mark of every row: to change it is to make all rows
	// anew.
	Name string
	// Priority says whose rows are written first.
	Priority Priority
	// Object is the Kubernetes kind of the objects that the owners are made from, for Events about them. It is zero for
	// owners that are made from no object.
	Object schema.GroupVersionKind
	// UID returns the UID of an owner's object as Events have it, empty when there is no such object. It is nil
	// if Object is zero.
	UID func(Input, row.Owner) types.UID

	// Owners returns all owners of the kind that may have rows.
	Owners func(Input) []row.Owner
	// Affected returns the owners, sorted, whose rows may be others after a change that the View already shows. The
	// change is of an object of any kind.
	Affected func(Input, kube.Change) []row.Owner
	// Translate returns the rows that an owner should have, sorted; none for an owner that does not exist. After an error
	// the owner is translated again until there is none: what only another change can mend is no error.
	Translate func(Input, row.Owner) ([]row.Row, error)
}

// Priority orders kinds: owners of a lower one are written first.
type Priority int

// The priorities. An owner of a kind that is not registered, whose rows go, has the last.
const (
	// Ground is that of rows which others are built on: switches and routers.
	Ground Priority = iota
	// Port is that of pods: a pod waits for its port to be started.
	Port
	// Rest is that of all others.
	Rest
)

// Input is all that rows are made from. Nothing in it can be changed through it.
type Input struct {
	// View has the cluster's objects.
	View *kube.View
	// Config is the cluster's configuration.
	Config *config.Parsed

	// What follows is decided or reported elsewhere and only looked up here. Owners and Affected have no use for it,
	// and it may be nil for them.

	// Gateway returns how a node meets the world, as its agent reported; zero as long as it has not.
	Gateway func(node string) nodelink.Gateway
	// JoinAddresses returns the addresses of a node's gateway router on the join switch, at most one of each
	// family, IPv4 first. There may be none as long as Gateway is zero.
	JoinAddresses func(node string) []netip.Addr
	// PodAddresses returns the addresses of the pod with this UID (pod.UID), at most one of each family, IPv4 first;
	// none for a pod that has no place now.
	PodAddresses func(namespace, name, uid string) []netip.Addr
}
