package nbsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// sorted says which translations can be carried out now.
type sorted struct {
	ready []*translation
	// waiting maps an owner to the rows it needs that are neither in the database nor in this plan.
	waiting map[row.Owner][]row.ID
	// failed maps an owner to what keeps it from being carried out.
	failed map[row.Owner]error
	// held maps an owner that is carried out, but whose rows cannot go yet, to the rows that still need them.
	held map[row.Owner][]row.ID
}

// err returns why translations cannot be carried out now, nil when all can.
func (w sorted) err() error {
	var lines []string
	for _, o := range sortedOwners(w.waiting) {
		lines = append(lines, fmt.Sprintf("%s waits for %s", o, names(w.waiting[o])))
	}
	for _, o := range sortedOwners(w.held) {
		lines = append(lines, fmt.Sprintf("%s keeps rows that %s still needs", o, names(w.held[o])))
	}
	for _, o := range sortedOwners(w.failed) {
		lines = append(lines, fmt.Sprintf("%s: %v", o, w.failed[o]))
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

func names(ids []row.ID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return strings.Join(out, ", ")
}

// separate finds the translations that can be carried out together. An owner is carried out as a whole or not at all: a
// pod's port must not exist without its memberships. So one that cannot takes those along that need its rows, until
// nothing changes.
func (v *view) separate(ts []*translation) sorted {
	out := sorted{waiting: map[row.Owner][]row.ID{}, failed: map[row.Owner]error{}, held: map[row.Owner][]row.ID{}}
	coming := map[row.ID]struct{}{}
	for _, t := range ts {
		if err := v.blocked(t); err != nil {
			out.failed[t.owner] = err
			continue
		}
		out.ready = append(out.ready, t)
		for _, w := range t.rows {
			coming[w.ID] = struct{}{}
		}
	}
	for again := true; again; {
		again = false
		out.ready = slices.DeleteFunc(out.ready, func(t *translation) bool {
			missing := v.missing(t, coming)
			if len(missing) == 0 {
				return false
			}
			out.waiting[t.owner] = missing
			for _, w := range t.rows {
				delete(coming, w.ID)
			}
			again = true
			return true
		})
	}
	return out
}

// blocked returns an error when a row of somebody else's has a name that the owner needs.
func (v *view) blocked(t *translation) error {
	for _, w := range t.rows {
		if v.pick(w.ID) != nil {
			continue
		}
		if uuid := v.intruder(w.ID); uuid != "" {
			return &intrusion{id: w.ID, uuid: uuid}
		}
	}
	return nil
}

// intrusion is the error of an owner whose row's name is taken.
type intrusion struct {
	id   row.ID
	uuid string
}

func (e *intrusion) Error() string {
	return fmt.Sprintf("%s %s cannot be made: row %s without Woven's mark has its name; rename or delete that row", e.id.Table, e.id.Name, e.uuid)
}

// missing returns the rows the owner needs and that will not be there. A row that is there but that nobody wants is
// about to go, so it does not count.
func (v *view) missing(t *translation, coming map[row.ID]struct{}) []row.ID {
	var out []row.ID
	for _, id := range t.needs {
		if _, ok := coming[id]; ok {
			continue
		}
		if f := v.pick(id); f != nil {
			if _, wanted := v.declared.rows[id]; wanted || !v.all || v.untranslated[f.owner] != nil {
				continue
			}
		}
		out = append(out, id)
	}
	return out
}
