package nbsync

import (
	"cmp"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Plan is the list of operations of one transaction, in the order in which it sends them.
type Plan struct {
	Ops []Op

	// released holds the rows that will be gone without an operation of their own.
	released []*dbRow
}

// Kind is the kind of an operation, RFC 7047 section 5.2.
type Kind string

// The kinds of operations, in the order in which a transaction has them.
const (
	Insert Kind = "insert"
	Update Kind = "update"
	Mutate Kind = "mutate"
	Delete Kind = "delete"
)

var order = map[Kind]int{Insert: 0, Update: 1, Mutate: 2, Delete: 3}

// Op is one operation on one row.
type Op struct {
	Kind Kind
	ID   row.ID
	// UUID of the row; for an insert it is chosen by the engine, see encode.
	UUID string
	// Columns that an insert or update writes, in the order of the table's description.
	Columns []Column
	// Add and Remove are what a mutate does to members-only sets.
	Add, Remove []Element

	// owners are those for whom it is done.
	owners []row.Owner
	// fingerprint is that of the row after an insert or update.
	fingerprint uint64
}

// Column is a column's new value.
type Column struct {
	Name string
	// Want is the value as the translator has written it, with references by ID.
	Want any
	// value is the same with UUIDs.
	value any
}

// Element is an element that comes into a set or leaves it.
type Element struct {
	Column string
	// Name is the text, or for a reference the member's ID as text.
	Name string
	// value is the text or the UUID.
	value string
}

// Empty says that there is nothing to do.
func (p Plan) Empty() bool { return len(p.Ops) == 0 }

// written returns the rows that the plan makes or whose columns it changes.
func (p Plan) written() map[row.ID]struct{} {
	out := map[row.ID]struct{}{}
	for _, op := range p.Ops {
		if op.Kind == Insert || op.Kind == Update {
			out[op.ID] = struct{}{}
		}
	}
	return out
}

// sort puts the operations in an order that depends only on what they do.
func (p Plan) sort() {
	byName := func(a, b Element) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Name, b.Name), cmp.Compare(a.value, b.value))
	}
	for i := range p.Ops {
		slices.SortFunc(p.Ops[i].Add, byName)
		slices.SortFunc(p.Ops[i].Remove, byName)
	}
	slices.SortFunc(p.Ops, func(a, b Op) int {
		return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), a.ID.Compare(b.ID), cmp.Compare(a.UUID, b.UUID))
	})
}
