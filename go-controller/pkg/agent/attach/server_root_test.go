//go:build root

package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/go-logr/logr"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// runtimeTest is a CNI server with real databases in the namespace of this process (see TestMain); the test plays woven-controller (bind)
// and ovn-controller (install).
type runtimeTest struct {
	*Server
	t     *testing.T
	node  *testNode
	south *ovsdb.Client
	pods  int
}

// testNode is ready when the test says so, and its Southbound database is always there.
type testNode struct {
	ready atomic.Pointer[Ready]
	south *southbound.Database
}

func (n *testNode) Ready() *Ready { return n.ready.Load() }

func (n *testNode) Why() string {
	if n.Ready() == nil {
		return "the node agent has just started"
	}
	return ""
}

func (n *testNode) Uninstalled() string { return "" }

func (n *testNode) South() *southbound.Database { return n.south }

func (n *testNode) Southbound(ctx context.Context) (*southbound.Database, context.Context) {
	session, err := n.south.Session(ctx)
	if err != nil {
		return nil, nil
	}
	return n.south, session
}

func (n *testNode) Uninstall(context.Context) error { return nil }

func newRuntime(t *testing.T) *runtimeTest {
	netlab.Run(t, "ip link set lo up")
	local, session := localDatabase(t)
	southServer := ovsdbtest.Start(t, schema.Southbound)
	o := config.OVN{Southbound: southServer.Remote}
	south, err := southbound.Dial(t.Context(), o, "a", logr.Discard())
	require.NoError(t, err)
	t.Cleanup(south.Close)
	target, err := ovsdb.Southbound(o)
	require.NoError(t, err)
	writer, err := ovsdb.Dial(t.Context(), target, logr.Discard())
	require.NoError(t, err)
	t.Cleanup(writer.Close)

	brInt(t, session, local)
	n := &testNode{south: south}
	s := New(Options{Log: logr.Discard(), Local: local, Node: n, Registry: prometheus.NewRegistry(), Userspace: true})
	t.Cleanup(func() { netlab.Run(t, "for l in $(ip -br link | grep -o '^w[0-9a-f]*'); do ip link del $l; done") })
	s.timeout = netlab.Patience
	s.HearLocal()
	s.HearSouthbound(south)
	return &runtimeTest{Server: s, t: t, node: n, south: writer}
}

func (r *runtimeTest) ready() {
	r.node.ready.Store(&Ready{Subnets: []netip.Prefix{prefixP("10.244.1.0/24"), prefixP("fd00:10:244:1::/64")}, MTU: 1500})
}

// bind makes a pod's port as woven-controller and northd do.
func (r *runtimeTest) bind(pod, uid string) {
	r.pods++
	datapath := libovsdb.Operation{Op: libovsdb.OperationInsert, Table: "Datapath_Binding", UUIDName: "datapath", Row: libovsdb.Row{"tunnel_key": r.pods}}
	port := &sb.PortBinding{
		UUID: "port", LogicalPort: "ns/" + pod, Datapath: datapath.UUIDName, TunnelKey: 1, MAC: []string{fmt.Sprintf("0a:58:0a:f4:01:%02x 10.244.1.%d fd00:10:244:1::%x", r.pods+2, r.pods+2, r.pods+2)},
		Options: map[string]string{"requested-chassis": "a", "iface-id-ver": uid},
	}
	ops, err := r.south.Create(port)
	require.NoError(r.t, err)
	r.commit(r.south, append(ops, datapath))
}

// install does what ovn-controller does, for every interface that has an iface-id.
func (r *runtimeTest) install() {
	var rows []vswitch.Interface
	require.NoError(r.t, r.local.WhereCache(func(i *vswitch.Interface) bool {
		return i.ExternalIDs[keyContainer] != "" && !ovs.Installed(i)
	}).List(r.t.Context(), &rows))
	for _, i := range rows {
		t := ovs.NewTransaction(r.local)
		t.Merge(&i, &i.ExternalIDs, i.ExternalIDs, map[string]string{"ovn-installed": "true"})
		require.NoError(r.t, t.Commit(r.t.Context()))
		one := 1
		i.Ofport = &one
		ops, err := r.local.Where(&i).Update(&i, &i.Ofport)
		require.NoError(r.t, err)
		r.commit(r.local.Client, ops)
	}
}

func (r *runtimeTest) commit(c *ovsdb.Client, ops []libovsdb.Operation) {
	results, err := c.Transact(r.t.Context(), ops...)
	require.NoError(r.t, err)
	_, err = libovsdb.CheckOperationResults(results, ops)
	require.NoError(r.t, err)
}

func (r *runtimeTest) call(command, pod, uid, container, conf string, netns *os.File) cni.Response {
	request := cni.Request{Command: command, ContainerID: container, IfName: "eth0", Netns: "/run/netns/" + container, Config: []byte("{" + conf + "}")}
	if pod != "" {
		request.Args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=" + pod + ";K8S_POD_UID=" + uid
	}
	return r.Handle(r.t.Context(), request, netns)
}

// adding starts an ADD.
func (r *runtimeTest) adding(pod, uid, container string, netns *os.File) <-chan cni.Response {
	answer := make(chan cni.Response, 1)
	go func() { answer <- r.call(cni.Add, pod, uid, container, "", netns) }()
	return answer
}

func (r *runtimeTest) code(want uint, message string, got cni.Response) {
	r.t.Helper()
	require.NotNil(r.t, got.Error)
	require.Equal(r.t, want, got.Error.Code)
	require.Contains(r.t, got.Error.Error(), message)
}

// wired waits until an ADD has made its row, and installs its flows.
func (r *runtimeTest) wired(container string) {
	r.hasRow(container)
	r.install()
}

// hasRow waits until an ADD has made its row, after its interfaces.
func (r *runtimeTest) hasRow(container string) {
	host := attachment{Container: container, IfName: "eth0"}.host()
	require.NoError(r.t, r.news.await(r.t.Context(), interfaceTopic(host), func() (bool, error) {
		i, err := ovs.Interface(r.t.Context(), r.local, host)
		return i != nil, err
	}))
}

func TestALifeOfAPod(t *testing.T) {
	r := newRuntime(t)
	netns := netlab.File(t, netlab.Other(t))
	r.code(types.ErrPluginNotAvailable, "the node agent has just started", r.call(cni.Status, "", "", "", "", nil))
	answer := r.adding("web", "1", "c1", netns) // an ADD waits for what STATUS does not
	r.ready()
	r.news.tell(readyTopic)
	require.Nil(t, r.call(cni.Status, "", "", "", "", nil).Error)

	r.bind("other", "7") // wakes nobody
	r.bind("web", "1")
	r.wired("c1")
	got := <-answer
	require.Nil(t, got.Error)
	var result current.Result
	require.NoError(t, json.Unmarshal(got.Result, &result))
	require.Equal(t, "10.244.1.4/24", result.IPs[0].Address.String())
	require.Equal(t, "fd00:10:244:1::4/64", result.IPs[1].Address.String())
	require.Equal(t, "fd00:10:244:1::1", result.Routes[1].GW.String())
	require.Equal(t, "0a:58:0a:f4:01:04", result.Interfaces[1].Mac)

	previous := `"cniVersion":"1.1.0","name":"woven","prevResult":` + string(got.Result)
	require.Nil(t, r.call(cni.Check, "web", "1", "c1", previous, netns).Error)
	r.code(types.ErrInternal, "prevResult", r.call(cni.Check, "web", "1", "c1", strings.ReplaceAll(previous, "10.244.1.4", "10.244.1.9"), netns))
	r.code(types.ErrUnknownContainer, "no Open vSwitch port", r.call(cni.Check, "web", "1", "c9", previous, netns))

	host := attachment{Container: "c1", IfName: "eth0"}.host()
	netlab.Run(t, "tc qdisc del dev "+host+" clsact") // as if its agent had been killed in between
	again := r.call(cni.Add, "web", "1", "c1", "", netns)
	require.JSONEq(t, string(got.Result), string(again.Result), "the same ADD again")
	deaf, err := kernel.IsQuiet(netlab.Link(t, host))
	require.NoError(t, err)
	require.True(t, deaf)

	// A new sandbox of the same pod; the DEL of the old one comes late.
	second := netlab.File(t, netlab.Other(t))
	answer = r.adding("web", "1", "c2", second)
	r.wired("c2")
	// The loop hears that the old row is gone before the old interface is.
	_, err = podlink.Connect(attachment{Container: "c3", IfName: "eth0", UID: "1", Sandbox: "/run/netns/c3"}.link(), netlab.File(t, netlab.Other(t)), 1500, true)
	require.NoError(t, err)
	require.NoError(t, r.Tidy(t.Context()))
	require.NoError(t, podlink.Disconnect(attachment{Container: "c3", IfName: "eth0"}.host()))
	require.Nil(t, (<-answer).Error)
	require.NotContains(t, netlab.Run(t, "ip link"), attachment{Container: "c1", IfName: "eth0"}.host())
	require.Nil(t, r.call(cni.Del, "web", "1", "c1", "", nil).Error)
	require.Contains(t, netlab.Run(t, "ip link"), attachment{Container: "c2", IfName: "eth0"}.host())

	r.code(types.ErrInvalidNetworkConfig, "valid-attachments", r.call(cni.GC, "", "", "", "", nil))
	require.Nil(t, r.call(cni.GC, "", "", "", `"cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]`, nil).Error)
	require.Contains(t, netlab.Run(t, "ip link"), attachment{Container: "c2", IfName: "eth0"}.host())
	require.Nil(t, r.call(cni.GC, "", "", "", `"cni.dev/valid-attachments":[]`, nil).Error)
	require.NotContains(t, netlab.Run(t, "ip link"), ": w")
	require.Nil(t, r.call(cni.Del, "web", "1", "c2", "", nil).Error, "nothing left to do")
	left, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAddSaysWhatItWaitedFor(t *testing.T) {
	r := newRuntime(t)
	netns := netlab.File(t, netlab.Other(t))
	r.timeout = 300 * time.Millisecond
	r.code(types.ErrTryAgainLater, "the node agent has just started", r.call(cni.Add, "web", "2", "c1", "", netns))
	r.ready()
	r.code(types.ErrTryAgainLater, "waited for its port in the Southbound database; look at woven-controller", r.call(cni.Add, "web", "2", "c1", "", netns))
	r.bind("web", "1")
	r.code(types.ErrTryAgainLater, "which has an earlier pod's (1)", r.call(cni.Add, "web", "2", "c1", "", netns))
	r.code(types.ErrTryAgainLater, "waited for ovn-controller to install the flows", r.call(cni.Add, "web", "1", "c1", "", netns))
	r.code(types.ErrInvalidNetNS, "is not a network namespace", r.call(cni.Add, "web", "1", "c1", "", nil))
	r.code(types.ErrInvalidEnvironmentVariables, "K8S_POD_UID", r.call(cni.Add, "", "", "c1", "", netns))
	require.NotContains(t, netlab.Run(t, "ip link"), ": w", "what was made is taken back")
	left, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestAddEndsWithItsRuntime has the runtime give up while the ADD waits for ovn-controller: the interfaces and the row, which
// are made by then, go.
func TestAddEndsWithItsRuntime(t *testing.T) {
	r := newRuntime(t)
	r.ready()
	r.bind("web", "1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	netns, answer := netlab.File(t, netlab.Other(t)), make(chan cni.Response, 1)
	go func() {
		answer <- r.Handle(ctx, cni.Request{Command: cni.Add, ContainerID: "c1", IfName: "eth0", Config: []byte("{}"),
			Args: "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web;K8S_POD_UID=1"}, netns)
	}()
	r.hasRow("c1")
	require.Contains(t, netlab.Run(t, "ip link"), ": w", "its interface is there")
	cancel()
	require.NotNil(t, (<-answer).Error)
	require.NotContains(t, netlab.Run(t, "ip link"), ": w")
	left, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAttachmentsOfVanishedSandboxesGo(t *testing.T) {
	r := newRuntime(t)
	r.ready()
	r.bind("web", "1")
	netns := netlab.File(t, netlab.Other(t))
	answer := r.adding("web", "1", "c1", netns)
	r.wired("c1")
	require.Nil(t, (<-answer).Error)
	require.NoError(t, r.Tidy(t.Context()))
	left, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Len(t, left, 1)

	// Somebody removes the row, or the database is lost.
	require.NoError(t, r.attachments().remove(t.Context(), left[0].Name))
	netlab.Run(t, "tc qdisc del dev "+left[0].Name+" clsact") // and its agent was killed in the middle of the ADD
	require.NoError(t, r.Tidy(t.Context()))
	deaf, err := kernel.IsQuiet(netlab.Link(t, left[0].Name))
	require.NoError(t, err)
	require.True(t, deaf)
	healed, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Len(t, healed, 1)
	was, err := attachmentOf(&left[0])
	require.NoError(t, err)
	is, err := attachmentOf(&healed[0])
	require.NoError(t, err)
	require.Equal(t, was, is)
	unlock := r.locks.lock("c1") // A DEL is at work.
	require.NoError(t, r.attachments().remove(t.Context(), left[0].Name))
	require.NoError(t, r.Tidy(t.Context()))
	none, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	unlock()
	require.NoError(t, r.Tidy(t.Context()))

	netlab.Run(t, "ip link del "+left[0].Name) // as the kernel does when the namespace goes
	unlock = r.locks.lock("c1")                // An ADD is about to make it anew.
	require.NoError(t, r.Settle(t.Context(), []string{left[0].Name}))
	still, err := r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Len(t, still, 1)
	unlock()
	// Another's trouble does not keep it.
	r.bind("db", "2")
	trouble := attachment{Container: "c2", IfName: "eth0", UID: "2", Sandbox: "/run/netns/c2"}
	_, err = podlink.Connect(trouble.link(), netlab.File(t, netlab.Other(t)), 1500, true)
	require.NoError(t, err)
	r.node.ready.Store(&Ready{MTU: 1500}) // its address is in no pod network
	require.Eventually(t, func() bool {
		b, err := r.node.south.BindingOfUID(t.Context(), "2")
		return err == nil && b != nil
	}, netlab.Patience, time.Millisecond)
	require.Error(t, r.Settle(t.Context(), []string{trouble.host(), left[0].Name, "w00000000000000"}))
	left, err = r.attachments().list(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}
