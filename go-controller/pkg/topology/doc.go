// Package topology translates the cluster and its nodes into the switches, routers, routes and NAT of OVN. It is
// pure: values in, sorted rows out. docs/pipeline.md says what every row is for.
//
// # Names
//
// A node's switch has the node's name and its gateway router the name gw-<node>, because administrators look
// for those. Every other name that could meet one of them or the name of a pod's port ("<namespace>/<pod>")
// contains an underscore or ends in -host: no name of Kubernetes contains an underscore, and nothing but the host port
// ends in -host. So a node may well be called "cluster", "join", "gw-a" or "ext-a".
//
//	routers       cluster, gw-<node>
//	switches      <node>, ext_<node>, _join
//	router ports  cluster_<node>, join_cluster, gw-<node>_join, gw-<node>_ext
//	switch ports  <router port>_peer, <node>-host, ext_<node>_localnet, <namespace>/<pod>
package topology

import "github.com/woven-network/woven/go-controller/pkg/row"

// Names of rows that the whole cluster shares.
const (
	// ClusterRouter is the one distributed router: a port for each node's switch and one for the join switch.
	ClusterRouter = "cluster"
	// JoinSwitch connects the cluster router and all gateway routers.
	JoinSwitch = "_join"
	// JoinPort is the cluster router's port on the join switch.
	JoinPort = "join_cluster"
	// ServicesGroup is the Load_Balancer_Group that holds the load balancers of all Services and that every
	// node's switch and gateway router refers to.
	ServicesGroup = row.ReservedPrefix + "services"
)

// Keys of external_ids that others read.
const (
	// NamespaceKey, on the port of a pod and the load balancer of a Service, has the object's namespace.
	NamespaceKey = "woven.network/namespace"
	// GatewayKey, on a gateway router, has the nodelink.Gateway that the router was made from. The controller
	// reads it after a restart: the node need not be there then.
	GatewayKey = "woven.network/gateway"
)

// Switch returns the name of a node's switch.
func Switch(node string) string { return node }

// GatewayRouter returns the name of a node's gateway router.
func GatewayRouter(node string) string { return "gw-" + node }

// ClusterPort returns the name of the cluster router's port on a node's switch.
func ClusterPort(node string) string { return "cluster_" + node }

// GatewayJoinPort returns the name of a gateway router's port on the join switch.
func GatewayJoinPort(node string) string { return GatewayRouter(node) + "_join" }

// GatewayExtPort returns the name of a gateway router's port on its external switch.
func GatewayExtPort(node string) string { return GatewayRouter(node) + "_ext" }

// ExtSwitch returns the name of the switch between a gateway router and br-ex.
func ExtSwitch(node string) string { return "ext_" + node }

// LocalnetPort returns the name of the external switch's port to br-ex.
func LocalnetPort(node string) string { return ExtSwitch(node) + "_localnet" }

func peer(routerPort string) string { return routerPort + "_peer" }
