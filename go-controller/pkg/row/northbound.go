package row

// Tables are the tables of the Northbound database that Woven uses, see ovn-nb(5). A test compares them with the
// schema, so that a column which a newer OVN brings is looked at by a person.
var Tables = []Table{
	{
		Name:    "Logical_Switch",
		Whole:   []string{"name", "external_ids", "other_config", "load_balancer_group", "copp"},
		Members: []string{"ports", "acls", "load_balancer"},
		Others:  []string{"qos_rules", "dns_records", "forwarding_groups"},
	},
	{
		Name: "Logical_Switch_Port",
		Whole: []string{"name", "external_ids", "type", "options", "addresses", "port_security", "parent_name", "tag_request",
			"peer", "enabled", "dhcpv4_options", "dhcpv6_options", "ha_chassis_group"},
		// northd writes up, tag and dynamic_addresses.
		Others:  []string{"up", "tag", "dynamic_addresses", "mirror_rules"},
		Unique:  true,
		Parents: []Column{{"Logical_Switch", "ports"}},
	},
	{
		Name:    "Logical_Router",
		Whole:   []string{"name", "external_ids", "options", "enabled", "load_balancer_group", "copp"},
		Members: []string{"ports", "static_routes", "policies", "nat", "load_balancer"},
	},
	{
		Name: "Logical_Router_Port",
		Whole: []string{"name", "external_ids", "mac", "networks", "options", "peer", "enabled", "ipv6_ra_configs",
			"ha_chassis_group"},
		// northd writes status and ipv6_prefix.
		Others:  []string{"status", "ipv6_prefix", "gateway_chassis", "dhcp_relay"},
		Unique:  true,
		Parents: []Column{{"Logical_Router", "ports"}},
	},
	{
		Name:    "Logical_Router_Static_Route",
		Whole:   []string{"external_ids", "ip_prefix", "nexthop", "policy", "output_port", "route_table", "options", "selection_fields", "bfd"},
		Naming:  ByExternalID,
		Parents: []Column{{"Logical_Router", "static_routes"}},
	},
	{
		Name: "Logical_Router_Policy",
		Whole: []string{"external_ids", "priority", "match", "action", "nexthop", "nexthops", "options", "chain", "jump_chain",
			"bfd_sessions"},
		Expressions: []string{"match"},
		Naming:      ByExternalID,
		Parents:     []Column{{"Logical_Router", "policies"}},
	},
	{
		Name: "NAT",
		Whole: []string{"external_ids", "type", "external_ip", "logical_ip", "match", "priority", "options", "external_mac",
			"logical_port", "external_port_range", "allowed_ext_ips", "exempted_ext_ips", "gateway_port"},
		Expressions: []string{"match"},
		Naming:      ByExternalID,
		Parents:     []Column{{"Logical_Router", "nat"}},
	},
	{
		Name:    "Load_Balancer",
		Whole:   []string{"name", "external_ids", "protocol", "options", "selection_fields", "ip_port_mappings", "health_check"},
		Members: []string{"vips"},
	},
	{
		Name:    "Load_Balancer_Group",
		Whole:   []string{"name"},
		Members: []string{"load_balancer"},
		Naming:  ByReservedName,
		Unique:  true,
	},
	{
		Name:    "Load_Balancer_Health_Check",
		Whole:   []string{"external_ids", "vip", "options"},
		Naming:  ByExternalID,
		Parents: []Column{{"Load_Balancer", "health_check"}},
	},
	{
		Name:    "Port_Group",
		Whole:   []string{"name", "external_ids"},
		Members: []string{"ports", "acls"},
		Unique:  true,
	},
	{
		Name:    "Address_Set",
		Whole:   []string{"name", "external_ids"},
		Members: []string{"addresses"},
		Unique:  true,
	},
	{
		Name: "ACL",
		// An ACL's name is optional and at most 63 characters, so it is no ID: it is text for the log.
		Whole: []string{"external_ids", "name", "priority", "direction", "match", "action", "tier", "log", "severity", "meter",
			"label", "options"},
		Expressions: []string{"match"},
		Others:      []string{"sample_new", "sample_est"},
		Naming:      ByExternalID,
		Parents:     []Column{{"Port_Group", "acls"}, {"Logical_Switch", "acls"}},
	},
	{
		Name:  "Meter",
		Whole: []string{"name", "external_ids", "unit", "fair", "bands"},
		// Not a members-only set: a meter without a band is refused, so both come in one translation.
		Unique: true,
	},
	{
		Name:    "Meter_Band",
		Whole:   []string{"external_ids", "action", "rate", "burst_size"},
		Naming:  ByExternalID,
		Parents: []Column{{"Meter", "bands"}},
	},
	{
		Name:   "Copp",
		Whole:  []string{"name", "external_ids", "meters"},
		Unique: true,
	},
	{
		Name:   "Static_MAC_Binding",
		Whole:  []string{"logical_port", "ip", "mac", "override_dynamic_mac"},
		Naming: ByPort,
		Unique: true,
	},
	{
		Name:       "Chassis_Template_Var",
		Whole:      []string{"external_ids", "chassis"},
		Members:    []string{"variables"},
		NameColumn: "chassis",
		Unique:     true,
	},
}
