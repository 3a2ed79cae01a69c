package nbsync

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// edit changes something in the database by hand. What the server refuses does not matter.
func (c *chaos) edit(faults bool) {
	d := row.Tables[c.IntN(len(row.Tables))]
	rows := c.find(d.Name, "", "")
	if len(rows) == 0 {
		return
	}
	slices.SortFunc(rows, func(a, b libovsdb.Row) int {
		if text(a["_uuid"]) < text(b["_uuid"]) {
			return -1
		}
		return 1
	})
	r := rows[c.IntN(len(rows))]
	u := r["_uuid"].(libovsdb.UUID)
	switch c.IntN(7) {
	case 0:
		c.try(destroy(d.Name, u))
	case 1, 2:
		c.removeMember(d, r, u)
	case 3:
		c.addMember(d, u)
	case 4:
		c.overwrite(d, u)
	case 5:
		c.double(d, r)
	default:
		// After a restart nobody knows any more that a row without marks was ours.
		if _, ok := r["external_ids"]; ok && !faults {
			c.try(set(d.Name, u, libovsdb.Row{"external_ids": libovsdb.OvsMap{GoMap: map[any]any{}}}))
		}
	}
}

func (c *chaos) try(operations ...libovsdb.Operation) {
	_, err := c.admin.Transact(c.t.Context(), operations...)
	if err != nil {
		c.t.Log("a hand edit was cut off:", err)
	}
}

func (c *chaos) removeMember(d row.Table, r libovsdb.Row, u libovsdb.UUID) {
	if len(d.Members) == 0 {
		return
	}
	column := d.Members[c.IntN(len(d.Members))]
	var members []any
	switch v := r[column].(type) {
	case libovsdb.OvsMap:
		for k, e := range v.GoMap {
			members = append(members, libovsdb.OvsMap{GoMap: map[any]any{k: e}})
		}
	case libovsdb.OvsSet:
		members = v.GoSet
	default:
		members = []any{v}
	}
	if len(members) > 0 {
		c.try(remove(d.Name, u, column, members[c.IntN(len(members))]))
	}
}

// addMember puts a value that nobody wants, a row of ours or a new row of a stranger's into a set.
func (c *chaos) addMember(d row.Table, u libovsdb.UUID) {
	switch d.Name {
	case "Chassis_Template_Var":
		c.try(insert(d.Name, u, "variables", libovsdb.OvsMap{GoMap: map[any]any{fmt.Sprint("VAR", c.IntN(4)): "by hand"}}))
	case "Address_Set":
		c.try(insert(d.Name, u, "addresses", fmt.Sprintf("10.99.0.%d", c.IntN(9))))
	case "Port_Group", "Logical_Switch":
		if ports := c.find("Logical_Switch_Port", "", ""); len(ports) > 0 && c.chance(50) {
			c.try(insert(d.Name, u, "ports", ports[c.IntN(len(ports))]["_uuid"]))
			return
		}
		c.try(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "ACL", UUIDName: "a", Row: libovsdb.Row{
			"priority": 1, "direction": "to-lport", "action": "drop", "match": "foreign"}},
			insert(d.Name, u, "acls", libovsdb.UUID{GoUUID: "a"}))
	case "Load_Balancer_Group":
		c.try(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Load_Balancer", UUIDName: "l", Row: libovsdb.Row{"name": "foreign"}},
			insert(d.Name, u, "load_balancer", libovsdb.UUID{GoUUID: "l"}))
	case "Logical_Router":
		c.try(libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "NAT", UUIDName: "n", Row: libovsdb.Row{
			"type": "snat", "external_ip": "1.1.1.1", "logical_ip": "2.2.2.2"}},
			insert(d.Name, u, "nat", libovsdb.UUID{GoUUID: "n"}))
	}
}

func (c *chaos) overwrite(d row.Table, u libovsdb.UUID) {
	columns := map[string]libovsdb.Row{
		"Logical_Switch":       {"other_config": libovsdb.OvsMap{GoMap: map[any]any{}}},
		"Logical_Switch_Port":  {"addresses": "unknown", "enabled": false},
		"Logical_Router_Port":  {"mac": "0a:00:00:00:00:00"},
		"Load_Balancer":        {"vips": libovsdb.OvsMap{GoMap: map[any]any{"9.9.9.9:9": "8.8.8.8:8"}}, "protocol": "udp"},
		"Address_Set":          {"addresses": "10.99.9.9"},
		"Chassis_Template_Var": {"variables": libovsdb.OvsMap{GoMap: map[any]any{"VAR1": "overwritten", "VAR9": "by hand"}}},
		"NAT":                  {"external_ip": "9.9.9.9"},
		"ACL":                  {"priority": c.IntN(100)},
		"Static_MAC_Binding":   {"mac": "0a:00:00:00:00:00"},
		"Port_Group":           {"name": fmt.Sprint("renamed", c.IntN(1000))},
	}[d.Name]
	if columns != nil {
		c.try(set(d.Name, u, columns))
	}
}

// double makes a row again, marks and all, as an engine that crashed might have.
func (c *chaos) double(d row.Table, r libovsdb.Row) {
	again := maps.Clone(r)
	delete(again, "_uuid")
	delete(again, "_version")
	op := libovsdb.Operation{Op: libovsdb.OperationInsert, Table: d.Name, UUIDName: "again", Row: again}
	if d.Root() {
		c.try(op)
		return
	}
	p := d.Parents[0]
	if parents := c.find(p.Table, "", ""); len(parents) > 0 {
		c.try(op, insert(p.Table, parents[c.IntN(len(parents))]["_uuid"].(libovsdb.UUID), p.Column, libovsdb.UUID{GoUUID: "again"}))
	}
}

// expected returns what the database should hold of ours, in the form of actual. It is made from the wishes with
// nothing of the engine's.
func (c *chaos) expected() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sets := map[string][]any{}
	for _, rows := range c.rows {
		for _, r := range rows {
			for _, m := range r.In {
				v := any(m.Value)
				if m.Key != "" {
					v = [2]string{m.Key, m.Value}
				} else if m.Value == "" {
					v = r.ID.String()
				}
				key := m.Set.String() + " " + m.Column
				sets[key] = append(sets[key], v)
			}
		}
	}
	out := map[string][]libovsdb.Row{}
	for o, rows := range c.rows {
		for _, r := range rows {
			out[r.ID.Table] = append(out[r.ID.Table], expectedRow(o, r, sets))
		}
	}
	return contentText(out, nil)
}

func expectedRow(o row.Owner, r row.Row, sets map[string][]any) libovsdb.Row {
	d, _ := row.Northbound(r.ID.Table)
	out := libovsdb.Row{}
	v := reflect.ValueOf(r.Model).Elem()
	for i := range v.NumField() {
		column := v.Type().Field(i).Tag.Get("ovsdb")
		switch f := v.Field(i); f.Kind() {
		case reflect.Slice:
			members := slices.Clone(sets[r.ID.String()+" "+column])
			for j := range f.Len() {
				members = append(members, f.Index(j).Interface())
			}
			out[column] = libovsdb.OvsSet{GoSet: members}
		case reflect.Map:
			m := map[any]any{}
			for _, k := range f.MapKeys() {
				m[k.Interface()] = f.MapIndex(k).Interface()
			}
			for _, p := range sets[r.ID.String()+" "+column] {
				m[p.([2]string)[0]] = p.([2]string)[1]
			}
			out[column] = libovsdb.OvsMap{GoMap: m}
		case reflect.Pointer:
			if out[column] = (libovsdb.OvsSet{}); !f.IsNil() {
				out[column] = f.Elem().Interface()
			}
		default:
			out[column] = f.Interface()
		}
	}
	if marks, ok := out["external_ids"].(libovsdb.OvsMap); ok {
		marks.GoMap[row.OwnerKey] = o.String()
		if d.Naming == row.ByExternalID {
			marks.GoMap[row.NameKey] = r.ID.Name
		}
	}
	return out
}

// actual returns what the database holds of ours: rows of strangers, and those in our sets, are left out.
func (c *chaos) actual() string {
	names := map[string]string{}
	rows := map[string][]libovsdb.Row{}
	for _, d := range row.Tables {
		for _, r := range c.find(d.Name, "", "") {
			if m, ok := r["external_ids"].(libovsdb.OvsMap); ok && m.GoMap[row.OwnerKey] == nil {
				continue
			}
			rows[d.Name] = append(rows[d.Name], r)
			names[text(r["_uuid"])] = d.Name + "/" + rowName(d, r)
		}
	}
	return contentText(rows, names)
}
