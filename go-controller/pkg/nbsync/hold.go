package nbsync

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// hold finds the rows that would go and that the database still needs after the plan, and keeps them together with all
// else that their owner would let go. It returns these owners with the rows that need theirs. A row is needed
//   - when an expression of a row of ours names it: ovn-controller installs no flow for an ACL that names a set or group
//     which is not there, so a deny would be a leak. What an expression names is read from the database and not from what owners
//     say, for after a restart the database may hold the rules of a policy that is not in force any more and whose
//     successor waits;
//   - when it has a member whose owner has not come to what it wants now: what that owner had before counts until then.
func (p *planner) hold() map[row.Owner][]row.ID {
	if len(p.released) == 0 {
		return nil
	}
	held := map[row.Owner][]row.ID{}
	named := p.namedInDatabase()
	for _, f := range p.released {
		if by, ok := named[f.id]; ok && p.pick(f.id) == f {
			held[f.owner] = append(held[f.owner], by)
		} else if by, ok := p.unsyncedMember(f); ok {
			held[f.owner] = append(held[f.owner], by)
		}
	}
	for uuid, f := range p.released {
		if held[f.owner] != nil && p.pick(f.id) == f {
			delete(p.released, uuid)
		}
	}
	for o, ids := range held {
		slices.SortFunc(ids, row.ID.Compare)
		held[o] = slices.Compact(ids)
	}
	return held
}

// namedInDatabase returns the rows that would go and that an expression names after the plan, with a row that does so.
func (p *planner) namedInDatabase() map[row.ID]row.ID {
	wanted := map[row.ID]bool{}
	for _, f := range p.released {
		if f.id.Table == addressSets || f.id.Table == portGroups {
			wanted[f.id] = true
		}
	}
	out := map[row.ID]row.ID{}
	if len(wanted) == 0 {
		return out
	}
	for _, t := range p.tables {
		for _, column := range t.Expressions {
			for uuid, m := range p.cache.Table(t.Name).RowsShallow() {
				k := p.known[uuid]
				if k == nil || p.released[uuid] != nil {
					continue
				}
				text := reflect.ValueOf(t.value(m, column))
				if op := p.updates[uuid]; op != nil {
					text = op.valueOr(column, text)
				}
				for _, id := range namesIn(textOf(text)) {
					if wanted[id] {
						out[id] = k.id
					}
				}
			}
		}
	}
	return out
}

// valueOr returns what an update writes into a column, or what stands there.
func (op *Op) valueOr(column string, present reflect.Value) reflect.Value {
	for _, c := range op.Columns {
		if c.Name == column {
			return reflect.ValueOf(c.value)
		}
	}
	return present
}

func textOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	return v.String()
}

// unsyncedMember returns a row in the sets of a row that would go, whose owner has not come to what it wants now.
func (p *planner) unsyncedMember(f *dbRow) (row.ID, bool) {
	for _, column := range f.table.Members {
		if !f.table.columns[column].ref {
			continue
		}
		for _, uuid := range f.table.elements(f.model, column) {
			k := p.known[uuid]
			if k == nil || k.owner == f.owner {
				continue
			}
			if _, ready := p.ready[k.owner]; ready {
				continue
			}
			own := p.declared.owners[k.owner]
			if p.untranslated[k.owner] != nil || own != nil && !own.synced && len(own.ids) > 0 {
				return k.id, true
			}
		}
	}
	return row.ID{}, false
}

const (
	addressSets = "Address_Set"
	portGroups  = "Port_Group"
)

// setNames matches the names of sets and groups in an expression, ovn-sb(5), "Logical_Flow", column match.
var setNames = regexp.MustCompile(`[$@][A-Za-z_.][A-Za-z0-9_.]*`)

// namesIn returns the rows that an expression names: "$set" and "@group". northd makes the address sets "$<group>_ip4" and
// "$<group>_ip6" of every port group, so those name the group.
func namesIn(expression string) []row.ID {
	if !strings.ContainsAny(expression, "$@") {
		return nil
	}
	var out []row.ID
	for _, name := range setNames.FindAllString(expression, -1) {
		id := row.ID{Table: portGroups, Name: name[1:]}
		if name[0] == '$' {
			if group, ok := generated(name[1:]); ok {
				id.Name = group
			} else {
				id.Table = addressSets
			}
		}
		out = append(out, id)
	}
	return out
}

// generated returns the port group from which northd makes an address set of this name, false for any other name.
func generated(set string) (group string, ok bool) {
	for _, suffix := range []string{"_ip4", "_ip6"} {
		if group, ok := strings.CutSuffix(set, suffix); ok {
			return group, true
		}
	}
	return "", false
}
