package nodelink

// The network devices that a node has beside its NIC and the veths of pods.
const (
	// IntegrationBridge is OVN's (ovn-controller(8)).
	IntegrationBridge = "br-int"
	// ExternalBridge is the bridge that has the node's NIC, and as its local port the node's addresses.
	ExternalBridge = "br-ex"
	// HostInterface is the internal port by which the node itself is on its pod network.
	HostInterface = "ovn0"
)
