// Package nodelink is what the controller and the agents of nodes say to each other: keys, names, numbers and formats
// that both must know alike. An agent has no access to the Kubernetes API, so there are two ways:
//
//   - from the controller to an agent: a row in the Northbound database; northd copies a port's options, addresses and
//     external_ids into its Port_Binding in the Southbound database, which the agent of the port's node watches;
//   - from an agent to the controller: a Gateway in the local Open_vSwitch database; ovn-controller copies it into the
//     node's Chassis in the Southbound database, which the controller watches.
package nodelink

// Options of a logical switch port that agents read, see ovn-nb(5).
const (
	// RequestedChassis has the name of the node to which the port belongs.
	RequestedChassis = "requested-chassis"
	// InterfaceVersion has the UID of the pod to which the port belongs, as kubelet knows it. An Interface of Open vSwitch
	// has the same in external_ids, under the same key.
	InterfaceVersion = "iface-id-ver"
)

// SubnetsKey is the key of external_ids under which a host port has the node's pod networks, see Words.
const SubnetsKey = "woven.network/subnets"

// PhysicalNetwork is the network_name of localnet ports. Agents map it to br-ex by external_ids:ovn-bridge-mappings
// (ovn-controller(8)).
const PhysicalNetwork = "physnet"

// HostPort returns the name of the logical switch port by which a node itself (its interface ovn0) is on its switch.
func HostPort(node string) string { return node + "-host" }

// PodPort returns the name of a pod's logical switch port.
func PodPort(namespace, name string) string { return namespace + "/" + name }

// What the first addresses of an alias network are, numbered as for ipam.Nth. By them a gateway router and its node
// speak to each other.
const (
	// AliasRouter is the gateway router.
	AliasRouter = 1
	// AliasHost stands for the host towards the router. No interface has it: br-ex's flows turn it into the node's own
	// address.
	AliasHost = 2
	// AliasBridge is on br-ex itself, so that the host has a route to the router.
	AliasBridge = 3
	// AliasHairpin is the source that a pod sees when it reaches itself by a Service.
	AliasHairpin = 4
)
