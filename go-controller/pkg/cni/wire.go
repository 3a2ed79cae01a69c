// Package cni is what the CNI shim (cmd/woven-cni) and the node agent say to each other: one request and one
// response per connection, each a length and a JSON text, over a Unix socket. The shim links this package and
// little else, so it starts in a millisecond.
//
// The shim runs in the host's mount namespace, where the container runtime's path of a network namespace is
// valid; the agent runs in a container, where it may not be. The shim therefore opens the namespace and sends the file
// descriptor along (SCM_RIGHTS, unix(7)); the agent needs no mount of the host for it.
package cni

import (
	"encoding/json"

	"github.com/containernetworking/cni/pkg/types"
)

// DefaultSocket is where the agent listens.
const DefaultSocket = "/run/woven/cni.sock"

// PluginType is the "type" of our plugin in a network configuration: the file name of the shim.
const PluginType = "woven-cni"

// The commands of the CNI specification 1.1 that reach the agent; VERSION is answered by the shim.
const (
	Add    = "ADD"
	Del    = "DEL"
	Check  = "CHECK"
	GC     = "GC"
	Status = "STATUS"
)

// Uninstall is no command of the specification: `woven-node uninstall` asks the running agent with it to take back
// all it made, and to rest.
const Uninstall = "UNINSTALL"

// Request is one call of the runtime.
type Request struct {
	// Command is one of the constants above.
	Command string `json:"command"`
	// ContainerID is the runtime's ID of the sandbox; empty for GC and STATUS.
	ContainerID string `json:"containerID,omitempty"`
	// Netns is the runtime's path of the network namespace, as text for results and logs. The namespace itself
	// travels as a file descriptor.
	Netns string `json:"netns,omitempty"`
	// IfName is the name of the interface inside the namespace, such as "eth0".
	IfName string `json:"ifName,omitempty"`
	// Args is CNI_ARGS: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;...".
	Args string `json:"args,omitempty"`
	// Config is the network configuration that the runtime wrote to the shim's standard input.
	Config json.RawMessage `json:"config"`
}

// Response is the answer. Neither field is set when a command without a result succeeded.
type Response struct {
	// Result is a result of specification 1.1 (cni/pkg/types/100.Result); the shim converts it to the version
	// that the network configuration asks for.
	Result json.RawMessage `json:"result,omitempty"`
	// Error is what went wrong, with a code of the specification.
	Error *types.Error `json:"error,omitempty"`
}

// PodArgs are the keys of CNI_ARGS that tell which pod a sandbox is for.
type PodArgs struct {
	types.CommonArgs
	K8S_POD_NAMESPACE          types.UnmarshallableString //nolint:revive // the name is the key of CNI_ARGS
	K8S_POD_NAME               types.UnmarshallableString //nolint:revive // the name is the key of CNI_ARGS
	K8S_POD_UID                types.UnmarshallableString //nolint:revive // the name is the key of CNI_ARGS
	K8S_POD_INFRA_CONTAINER_ID types.UnmarshallableString //nolint:revive // the name is the key of CNI_ARGS
}
