package controller

import (
	"fmt"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Reasons of the Events that say why an object is not in the network.
const (
	reasonWaiting      = "NetworkWaiting"
	reasonRefused      = "NetworkRefused"
	reasonUntranslated = "NetworkFailed"
)

// notePersistence makes an Event of what keeps an object's rows out of the database, when that lasts. What prepare has found
// out about the object says more and goes first.
func (d *desired) notePersistence(owner row.Owner, s nbsync.Status) {
	about, ok := referenceOf(owner)
	if !ok {
		return
	}
	about.part = "rows"
	switch s.State {
	case nbsync.InSync:
		d.problems.solved(about)
	case nbsync.Waiting:
		names := make([]string, len(s.Rows))
		for i, id := range s.Rows {
			names[i] = id.String()
		}
		d.problems.found(about, reasonWaiting, fmt.Sprintf("waits for rows of the Northbound database: %s", strings.Join(names, ", ")))
	case nbsync.Refused:
		d.problems.found(about, reasonRefused, "the Northbound database refuses the rows: "+s.Message)
	case nbsync.Untranslated:
		d.problems.found(about, reasonUntranslated, s.Message)
	}
}

// referenceOf returns the Kubernetes object that an owner is for, false for an owner that is for none.
func referenceOf(owner row.Owner) (reference, bool) {
	if name, ok := pod.NamespacedName(owner); ok {
		return podReference(name.Namespace, name.Name), true
	}
	kind, rest, _ := strings.Cut(string(owner), "/")
	switch kind {
	case "node":
		return nodeReference(rest), true
	case "service":
		namespace, name, _ := strings.Cut(rest, "/")
		return reference{kind: "Service", namespace: namespace, name: name}, true
	}
	return reference{}, false
}
