package nbsync

import (
	"cmp"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// countStrangers tells the metrics how many rows of each table are not ours.
func (r *run) countStrangers() {
	for name := range r.tables {
		r.metrics.strangers.WithLabelValues(name).Set(float64(r.cache.Table(name).Len() - r.ours[name]))
	}
}

// Stranger is a row of the Northbound database that is not Woven's.
type Stranger struct {
	// Table and UUID name the row; Name is its name, if it has one.
	Table, UUID, Name string
}

// Strangers lists the rows that bear no mark of Woven's, by table, name and UUID. The engine leaves them as they are.
func (e *Engine) Strangers() ([]Stranger, error) {
	s, err := newState(e.asked, e.options.Client.Cache())
	if err != nil {
		return nil, err
	}
	// Rows without external_ids are judged by the rows that they belong to.
	s.scan(func(*table) bool { return true })
	s.scan(func(t *table) bool { return t.Naming == row.ByPort })
	var out []Stranger
	for _, t := range s.tables {
		for uuid, m := range s.cache.Table(t.Name).RowsShallow() {
			if s.known[uuid] == nil {
				out = append(out, Stranger{Table: t.Name, UUID: uuid, Name: t.shownName(m)})
			}
		}
	}
	slices.SortFunc(out, func(a, b Stranger) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UUID, b.UUID))
	})
	return out, nil
}
