//go:build apiserver

package controller

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func testNodeComesAndGoes(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24", "fd00:10:244:1::/64")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("web", "a")
	l.port("default/web", "10.244.1.3 fd00:10:244:1::3")
	l.port("gw-a_ext_peer", "")
	l.removeNode("a")
	l.empty()
	assert.Contains(l, l.scrape(), "woven_controller_stale_chassis 1")
	// Its pods are still there, as for the minutes until they are evicted: a Node deleted by mistake comes back.
	l.node("a", "10.244.1.0/24", "fd00:10:244:1::/64")
	l.port("default/web", "10.244.1.3 fd00:10:244:1::3")
	l.port("gw-a_ext_peer", "")
}

func testNodeWithoutPodCIDRYet(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a")
	l.pod("web", "a")
	assert.Contains(l, l.event("Node", "a", "NoPodCIDR"), "Run kube-controller-manager with --allocate-node-cidrs and --cluster-cidr")
	assert.Contains(l, l.event("Pod", "web", "NoPodCIDR"), "node a: spec.podCIDRs is empty")
	assert.Contains(l, l.scrape(), `woven_controller_problems{kind="Node",reason="NoPodCIDR"} 1`)
	l.patchNode("a", `{"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]}}`)
	l.port("default/web", "10.244.1.3 fd00:10:244:1::3")
	assert.NotContains(l, l.scrape(), "woven_controller_problems{")
}

func testNodeChangesItsAddress(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	l.addresses("a", "172.30.0.11")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("web", "a")
	before := l.port("default/web", "")
	toHost := func(ip string) string { return l.policies()[`inport == "cluster_a" && ip4.dst == `+ip] }
	l.eventually("a pod reaches its own node", func() bool { return toHost("172.30.0.11") == "10.244.1.2" })
	l.port("gw-a_ext_peer", "")

	l.addresses("a", "172.30.0.99")
	l.eventually("at its new address too", func() bool { return toHost("172.30.0.99") == "10.244.1.2" })
	l.chassis("a", 2, "172.30.0.1", "172.30.0.99/24")
	l.eventually("and no more at the old one", func() bool { return toHost("172.30.0.11") == "" })
	assert.Equal(l, before, l.port("default/web", ""))
}

// The API server refuses a change of spec.podCIDRs: the Node object is made anew.
func testNodeGetsSecondFamily(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	l.addresses("a", "172.30.0.11")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("old", "a", "10.244.1.3")
	l.port("default/old", "0a:58:0a:f4:01:03 10.244.1.3")
	_, err := l.api.CoreV1().Nodes().Patch(l.Context(), "a", types.MergePatchType, []byte(`{"spec": {"podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]}}`), metav1.PatchOptions{})
	require.ErrorContains(l, err, "node updates may not change")

	l.removeNode("a")
	l.node("a", "10.244.1.0/24", "fd00:10:244:1::/64")
	l.addresses("a", "172.30.0.11", "fd00:172:30::11")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24", "fd00:172:30::11/64")
	l.port("a-host", "10.244.1.2 fd00:10:244:1::2")
	l.eventually("a pod reaches its node by IPv6", func() bool {
		return l.policies()[`inport == "cluster_a" && ip6.dst == fd00:172:30::11`] == "fd00:10:244:1::2"
	})
	assert.Equal(l, "0a:58:0a:f4:01:03 10.244.1.3", l.port("default/old", ""), "a running pod stays as it is")
	l.pod("new", "a")
	l.port("default/new", "10.244.1.4 fd00:10:244:1::3")
}

func testNodeOfOneFamily(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "fd00:10:244:1::/64")
	l.node("b", "10.244.2.0/24")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24", "fd00:172:30::11/64")
	l.chassis("b", 2, "172.30.0.1", "172.30.0.12/24", "fd00:172:30::12/64")
	l.pod("six", "a")
	l.pod("four", "b")
	assert.Equal(l, "0a:58:00:00:00:03 fd00:10:244:1::3", l.port("default/six", ""))
	assert.Equal(l, "0a:58:0a:f4:02:03 10.244.2.3", l.port("default/four", ""))
	l.port("gw-a_ext_peer", "")
	l.port("gw-b_ext_peer", "")
	assert.NotContains(l, l.scrape(), "woven_controller_problems{")
}

func testTwoNodesClaimOneCIDR(_ *testing.T, l *apiLab) {
	l.start()
	// A Node's age is known to the second, and of two in one second the first in the alphabet is the older.
	l.node("a", "10.244.1.0/24")
	l.port("a-host", "")
	l.node("b", "10.244.1.128/25")
	l.pod("first", "a")
	l.pod("second", "b")
	l.port("default/first", "")
	assert.Contains(l, l.event("Node", "b", "PodCIDRConflict"), "spec.podCIDRs [10.244.1.128/25] overlap those of node a, which is older; no pod of this node gets a network. Delete the Node object")
	assert.Contains(l, l.event("Pod", "second", "PodCIDRConflict"), "node b: spec.podCIDRs [10.244.1.128/25] overlap those of node a")
	metrics := l.scrape()
	assert.Contains(l, metrics, `woven_controller_problems{kind="Node",reason="PodCIDRConflict"} 1`)
	assert.Contains(l, metrics, `woven_controller_problems{kind="Pod",reason="PodCIDRConflict"} 1`)
	l.noPort("b-host")

	l.removeNode("a")
	l.port("b-host", "10.244.1.130")
	l.port("default/second", "10.244.1.131")
	assert.NotContains(l, l.scrape(), "woven_controller_problems{")
}

func testSubnetExhausted(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24", "fd00:10:244:1::/64")
	const room = 252 // 10.244.1.3 to 10.244.1.254
	for i := range room + 3 {
		l.pod(fmt.Sprintf("p%03d", i), "a")
	}
	pods := func() int { return strings.Count(strings.Join(keys(l.ports()), "\n"), "default/") }
	l.eventually("as many ports as there are addresses", func() bool { return pods() == room })
	var late []string
	for i := range room + 3 {
		if name := fmt.Sprintf("p%03d", i); l.ports()["default/"+name] == "" {
			late = append(late, name)
		}
	}
	require.Len(l, late, 3)
	for _, name := range late {
		assert.Equal(l, "subnet 10.244.1.0/24 exhausted: every address is in use; delete pods of this node, or lower kubelet's maxPods to what the network holds",
			l.event("Pod", name, "SubnetExhausted"))
	}
	assert.Contains(l, l.scrape(), `woven_controller_problems{kind="Pod",reason="SubnetExhausted"} 3`)

	began, freed := time.Now(), l.ports()["default/p007"]
	l.removePod("p007")
	l.eventually("one of those that wait has the address", func() bool {
		for _, name := range late {
			if strings.HasPrefix(l.ports()["default/"+name], strings.Split(freed, " ")[0]) {
				return true
			}
		}
		return false
	})
	assert.Less(l, time.Since(began), 2*time.Second)
	assert.Contains(l, l.scrape(), `woven_controller_problems{kind="Pod",reason="SubnetExhausted"} 2`)
	// A finished pod gives its address back though it is not deleted.
	_, err := l.api.CoreV1().Pods("default").Patch(l.Context(), "p008", types.MergePatchType, []byte(`{"status": {"phase": "Succeeded"}}`), metav1.PatchOptions{}, "status")
	require.NoError(l, err)
	l.eventually("so has the next", func() bool { return strings.Contains(l.scrape(), `reason="SubnetExhausted"} 1`) })
	l.eventually("and every address is in use again", func() bool { return pods() == room })
}

func testTaintAndCordon(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("web", "a")
	l.port("default/web", "")
	l.port("gw-a_ext_peer", "")
	l.quiet(func() {
		l.patchNode("a", `{"spec": {"unschedulable": true}}`)
		l.patchNode("a", `{"spec": {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}}`)
		l.patchNode("a", `{"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}`)
		l.patchNode("a", `{"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}`, "status")
	})
}

// A machine that is renamed registers under its new name; its old Node stays until somebody deletes it.
func testNodeRenamed(_ *testing.T, l *apiLab) {
	l.start()
	l.node("old", "10.244.1.0/24")
	l.chassis("old", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("stays", "old")
	kept := l.port("default/stays", "")
	l.node("new", "10.244.2.0/24")
	// Until the old one is gone the Southbound database refuses a chassis with its tunnel's address.
	l.noChassis("old")
	l.chassis("new", 1, "172.30.0.1", "172.30.0.11/24")
	l.port("gw-new_ext_peer", "")
	l.pod("moves", "new")
	l.port("default/moves", "10.244.2.3")
	assert.Equal(l, kept, l.port("default/stays", ""))
	l.removeNode("old")
	l.removePod("stays")
	l.noPort("old-host")
	l.noPort("gw-old_ext_peer")
	l.noPort("default/stays")
	assert.Contains(l, l.scrape(), "woven_controller_stale_chassis 0")
	l.port("default/moves", "10.244.2.3")
}

// A machine that died is replaced by another of the same name, with another address and network.
func testNodeReplaced(_ *testing.T, l *apiLab) {
	l.start()
	l.node("a", "10.244.1.0/24")
	l.addresses("a", "172.30.0.11")
	l.chassis("a", 1, "172.30.0.1", "172.30.0.11/24")
	l.pod("daemon", "a", "10.244.1.3")
	l.port("default/daemon", "10.244.1.3")
	l.port("gw-a_ext_peer", "")

	l.removeNode("a")
	l.node("a", "10.244.7.0/24")
	l.addresses("a", "172.30.0.77")
	l.chassis("a", 7, "172.30.0.1", "172.30.0.77/24")
	l.port("a-host", "10.244.7.2")
	l.eventually("a pod reaches the new machine, not the old one", func() bool {
		p := l.policies()
		return p[`inport == "cluster_a" && ip4.dst == 172.30.0.77`] == "10.244.7.2" && p[`inport == "cluster_a" && ip4.dst == 172.30.0.11`] == ""
	})
	assert.Contains(l, l.event("Pod", "daemon", "AddressChanged"), "the pod runs with the address 10.244.1.3, which is not of its node's network; delete this pod")
	l.removePod("daemon")
	l.pod("daemon", "a")
	l.port("default/daemon", "10.244.7.")
}

func keys(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

// scrape returns the controller's metrics.
func (l *apiLab) scrape() string {
	l.Helper()
	response, err := http.Get("http://" + l.metrics + "/metrics")
	require.NoError(l, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(l, err)
	return string(text)
}
