package nbsync

import (
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// The rows of the tests: what nodes, pods and policies look like, as small as can be.

func ref[T any](v T) *T { return &v }

func id(table, name string) row.ID { return row.ID{Table: table, Name: name} }

func in(table, name, column string) row.Membership {
	return row.Membership{Set: id(table, name), Column: column}
}

func value(table, name, column, v string) row.Membership {
	return row.Membership{Set: id(table, name), Column: column, Value: v}
}

func logicalSwitch(name string) row.Row {
	return row.Row{ID: id("Logical_Switch", name), Model: &nb.LogicalSwitch{Name: name, OtherConfig: map[string]string{"subnet": "10.244.1.0/24"}}}
}

func portGroup(name string) row.Row {
	return row.Row{ID: id("Port_Group", name), Model: &nb.PortGroup{Name: name}}
}

func addressSet(name string, addresses ...string) row.Row {
	return row.Row{ID: id("Address_Set", name), Model: &nb.AddressSet{Name: name, Addresses: addresses}}
}

// pod is a port in a switch, in port groups and with its address in address sets, as a pod has.
func pod(name, sw, address string, memberships ...row.Membership) row.Row {
	return row.Row{
		ID: id("Logical_Switch_Port", name),
		Model: &nb.LogicalSwitchPort{
			Name: name, Addresses: []string{"0a:58:00:00:00:01 " + address}, PortSecurity: []string{"0a:58:00:00:00:01 " + address},
			Options:     map[string]string{"requested-chassis": sw, "iface-id-ver": "uid-of-" + name},
			ExternalIDs: map[string]string{"woven.network/pod": name},
		},
		In: append([]row.Membership{in("Logical_Switch", sw, "ports")}, memberships...),
	}
}

func router(name string) row.Row {
	return row.Row{ID: id("Logical_Router", name), Model: &nb.LogicalRouter{Name: name}}
}

func routerPort(name, router string) row.Row {
	return row.Row{
		ID:    id("Logical_Router_Port", name),
		Model: &nb.LogicalRouterPort{Name: name, MAC: "0a:58:0a:f4:01:01", Networks: []string{"10.244.1.1/24"}},
		In:    []row.Membership{in("Logical_Router", router, "ports")},
	}
}

func nat(router, key, external, logical string) row.Row {
	name := router + "/nat/" + key
	return row.Row{
		ID:    id("NAT", name),
		Model: &nb.NAT{Type: nb.NATTypeSNAT, ExternalIP: external, LogicalIP: logical},
		In:    []row.Membership{in("Logical_Router", router, "nat")},
	}
}

func acl(group, key, match string) row.Row {
	return row.Row{
		ID:    id("ACL", group+"/"+key),
		Model: &nb.ACL{Priority: 1000, Direction: nb.ACLDirectionToLport, Match: match, Action: nb.ACLActionAllowRelated},
		In:    []row.Membership{in("Port_Group", group, "acls")},
	}
}

func loadBalancer(name, group string, vips map[string]string) row.Row {
	return row.Row{
		ID:    id("Load_Balancer", name),
		Model: &nb.LoadBalancer{Name: name, Protocol: ref(nb.LoadBalancerProtocolTCP), Vips: vips},
		In:    []row.Membership{in("Load_Balancer_Group", group, "load_balancer")},
	}
}

func loadBalancerGroup(name string) row.Row {
	return row.Row{ID: id("Load_Balancer_Group", name), Model: &nb.LoadBalancerGroup{Name: name}}
}

func macBinding(port, ip string) row.Row {
	return row.Row{
		ID:    id("Static_MAC_Binding", row.PortBindingName(port, ip)),
		Model: &nb.StaticMACBinding{LogicalPort: port, IP: ip, MAC: "0a:58:a9:fe:40:02"},
	}
}

func templateVariables(chassis string) row.Row {
	return row.Row{ID: id("Chassis_Template_Var", chassis), Model: &nb.ChassisTemplateVar{Chassis: chassis, Variables: map[string]string{"NODE4": "172.30.0.11"}}}
}

// variable puts a template variable into a chassis' row.
func variable(chassis, key, v string) row.Membership {
	return row.Membership{Set: id("Chassis_Template_Var", chassis), Column: "variables", Key: key, Value: v}
}
