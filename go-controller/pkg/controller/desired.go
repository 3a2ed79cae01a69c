package controller

import (
	"sync/atomic"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// desired knows which rows should exist. It answers the engine's questions by asking the kind of the owner. It lives as
// long as one leadership.
type desired struct {
	kinds registry
	// input is all that translators see.
	input kind.Input
	// allocation has what they look up and do not decide.
	*allocation
	// synced is set when the database has been brought in accord for the first time.
	synced atomic.Bool
}

func newDesired(
	r registry, c *config.Parsed, v *kube.View, g *gateways, p *problems, mark func(...row.Owner),
) *desired {
	a := newAllocation(c, v, g, p, mark)
	in := kind.Input{View: v, Config: c, Gateway: g.of, JoinAddresses: a.joins.Held, PodAddresses: a.addressesOfPod}
	return &desired{kinds: r, input: in, allocation: a}
}

// owners returns every owner that may have rows.
func (d *desired) owners() []row.Owner { return d.kinds.owners(d.input) }

// affected returns the owners that a change of an object concerns.
func (d *desired) affected(change kube.Change) []row.Owner { return d.kinds.affected(d.input, change) }

// prepare is the engine's Prepare: it does what must be done before rows is asked.
func (d *desired) prepare(owner row.Owner) error {
	if e := d.kinds.of(owner); e != nil && e.prepare != nil {
		return e.prepare(d.allocation, owner)
	}
	return nil
}

// rows is the engine's Source. It changes nothing. An owner of a kind that is not registered should have no rows.
func (d *desired) rows(owner row.Owner) ([]row.Row, error) {
	if e := d.kinds.of(owner); e != nil {
		return e.Translate(d.input, owner)
	}
	return nil, nil
}

// report is the engine's Report. What an owner held that is not in the database any more is released only when the
// owner is in sync: an address must not be another pod's while a set or a port still has it.
func (d *desired) report(owner row.Owner, s nbsync.Status) {
	e := d.kinds.of(owner)
	if e == nil {
		return
	}
	if s.State == nbsync.InSync && e.released != nil {
		e.released(d.allocation, owner)
	}
	if !e.Object.Empty() {
		d.noteStatus(owner, s)
	}
}
