package controller

import (
	"fmt"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Reasons of the Events that say why an object is not in the network.
const (
	reasonWaiting      = "NetworkWaiting"
	reasonRefused      = "NetworkRefused"
	reasonUntranslated = "NetworkFailed"
)

// noteStatus makes an Event of what keeps an object's rows out of the database, when that lasts. What prepare has found
// out about the object says more and goes first.
func (a *allocation) noteStatus(owner row.Owner, s nbsync.Status) {
	about := subject{owner: owner, part: "rows"}
	switch s.State {
	case nbsync.InSync:
		a.problems.solved(about)
	case nbsync.Waiting:
		names := make([]string, len(s.Rows))
		for i, id := range s.Rows {
			names[i] = id.String()
		}
		a.problems.found(about, reasonWaiting, fmt.Sprintf("waits for rows of the Northbound database: %s", strings.Join(names, ", ")))
	case nbsync.Refused:
		a.problems.found(about, reasonRefused, "the Northbound database refuses the rows: "+s.Message)
	case nbsync.Untranslated:
		a.problems.found(about, reasonUntranslated, s.Message)
	}
}
