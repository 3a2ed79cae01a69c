//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/test/sandbox/machine"
)

// shim is the installed CNI plugin of a node, called by hand in the node's namespaces as the runtime calls it.
type shim struct {
	t    *testing.T
	node string
	// version is the "cniVersion" of the configuration that it gets.
	version string
}

// call runs one command. Env are the CNI_ variables beside the command and the path, extra the fields that are added to
// the plugin's configuration. The error is the plugin's own, from its standard output.
func (s shim) call(command string, env []string, extra map[string]any) ([]byte, *types.Error) {
	s.t.Helper()
	m, ok := machine.Find(s.node)
	require.True(s.t, ok)
	conf := map[string]any{"cniVersion": s.version, "name": "woven", "type": "woven-cni"}
	for k, v := range extra {
		conf[k] = v
	}
	stdin, err := json.Marshal(conf)
	require.NoError(s.t, err)
	argv := append([]string{"env", "CNI_PATH=/opt/cni/bin", "CNI_COMMAND=" + command}, env...)
	inside := m.Command(append(argv, "/opt/cni/bin/woven-cni")...)
	cmd := exec.CommandContext(s.t.Context(), inside.Path, inside.Args[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	start := time.Now()
	out, err := cmd.Output()
	s.t.Logf("%s %s: %s", s.version, command, time.Since(start).Round(time.Millisecond))
	if err == nil {
		return out, nil
	}
	failure := &types.Error{}
	require.NoErrorf(s.t, json.Unmarshal(out, failure), "%s failed (%v) and prints no error of the specification: %s%s", command, err, out, errs.String())
	return nil, failure
}

func (s shim) succeed(command string, env []string, extra map[string]any) []byte {
	s.t.Helper()
	out, err := s.call(command, env, extra)
	if err != nil {
		require.Failf(s.t, "unexpected", "%s: code %d: %s (%s)", command, err.Code, err.Msg, err.Details)
	}
	return out
}

func (s shim) fail(command string, code uint, env []string, extra map[string]any) {
	s.t.Helper()
	_, err := s.call(command, env, extra)
	require.NotNilf(s.t, err, "%s should have failed", command)
	assert.EqualValuesf(s.t, code, err.Code, "%s: code of %q (%s)", command, err.Msg, err.Details)
	s.t.Logf("%s: code %d: %s", command, err.Code, err.Msg)
}

// testCNI calls the installed plugin by hand, in versions 1.0.0 and 1.1.0 of the specification.
func testCNI(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[0]
	neighbour := run(t, ns, netexec("neighbour", n.name))[0]
	for _, version := range []string{"1.0.0", "1.1.0"} {
		t.Run(version, func(t *testing.T) {
			s := shim{t, n.name, version}
			checkVersion(t, s)
			checkRunning(t, s, neighbour)
			if version == "1.1.0" {
				checkAgentDown(t, s)
			}
			checkByHand(t, s, ns, neighbour)
		})
	}
}

func checkVersion(t *testing.T, s shim) {
	t.Helper()
	var versions struct{ SupportedVersions []string }
	require.NoError(t, json.Unmarshal(s.succeed("VERSION", nil, nil), &versions))
	assert.Subset(t, versions.SupportedVersions, []string{"1.0.0", "1.1.0"})
	if s.version == "1.1.0" {
		s.succeed("STATUS", nil, nil)
	}
}

// attachment is what the runtime keeps of an ADD (libcni's cache).
type attachment struct {
	ContainerID string `json:"containerId"`
	IfName      string `json:"ifName"`
	NetworkName string `json:"networkName"`
	// Config is the configuration list.
	Config  string          `json:"config"`
	CNIArgs [][2]string     `json:"cniArgs"`
	Result  json.RawMessage `json:"result"`
}

// attachments are those of Woven's network that the node's runtime has, by pod name.
func attachments(t *testing.T, node string) map[string]attachment {
	t.Helper()
	all := map[string]attachment{}
	files := runOn(t, node, "sh", "-c", "cat /dev/null; for f in /var/lib/cni/results/*; do [ -e $f ] && base64 -w0 $f && echo; done; true")
	for _, line := range strings.Fields(files) {
		text, err := base64.StdEncoding.DecodeString(line)
		require.NoError(t, err)
		var a attachment
		require.NoErrorf(t, json.Unmarshal(text, &a), "%s", text)
		for _, arg := range a.CNIArgs {
			if a.NetworkName == "woven" && arg[0] == "K8S_POD_NAME" {
				all[arg[1]] = a
			}
		}
	}
	return all
}

func (a attachment) env(netns string) []string {
	env := []string{"CNI_CONTAINERID=" + a.ContainerID, "CNI_IFNAME=" + a.IfName, "CNI_NETNS=" + netns}
	var args []string
	for _, arg := range a.CNIArgs {
		args = append(args, arg[0]+"="+arg[1])
	}
	return append(env, "CNI_ARGS="+strings.Join(args, ";"))
}

// checkRunning calls CHECK for a pod that the runtime attached: it passes, and it fails when the result that it is
// given is of another pod.
func checkRunning(t *testing.T, s shim, pod *corev1.Pod) {
	t.Helper()
	a, ok := attachments(t, s.node)[pod.Name]
	require.Truef(t, ok, "the runtime's cache in /var/lib/cni/results has no attachment of %s", pod.Name)
	var result current.Result
	require.NoError(t, json.Unmarshal(a.Result, &result))
	netns := ""
	for _, i := range result.Interfaces {
		if i.Sandbox != "" {
			netns = i.Sandbox
		}
	}
	require.NotEmptyf(t, netns, "the result names no sandbox: %s", a.Result)
	result.CNIVersion = s.version
	s.succeed("CHECK", a.env(netns), map[string]any{"prevResult": result})
	result.IPs[0].Address.IP = netip.MustParseAddr("192.0.2.99").AsSlice()
	_, err := s.call("CHECK", a.env(netns), map[string]any{"prevResult": result})
	require.NotNil(t, err, "CHECK passes with an address that the pod does not have")
	t.Logf("CHECK of a wrong address: code %d: %s", err.Code, err.Msg)
}

// checkAgentDown calls the shim with the path of a socket at which nobody listens. The shim waits for an agent that may be
// restarting, and then has the runtime try again later.
func checkAgentDown(t *testing.T, s shim) {
	t.Helper()
	nobody := map[string]any{"socket": "/run/woven/nobody.sock"}
	env := []string{"CNI_CONTAINERID=e2e-down", "CNI_IFNAME=eth0", "CNI_NETNS=/proc/self/ns/net", "CNI_ARGS=K8S_POD_NAMESPACE=none;K8S_POD_NAME=none;K8S_POD_UID=none"}
	s.fail("ADD", types.ErrTryAgainLater, env, nobody)
	s.fail("STATUS", types.ErrPluginNotAvailable, nil, nobody)
}

// checkByHand attaches a network namespace of the test's own in the place of a pod that waits for a volume and so has
// no sandbox: ADD, CHECK, DEL, DEL again, DEL without the namespace, and GC of what no runtime knows.
func checkByHand(t *testing.T, s shim, ns string, neighbour *corev1.Pod) {
	t.Helper()
	name := "by-hand-" + strings.ReplaceAll(s.version, ".", "-")
	pod := netexec(name, s.node, func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "never", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "never"}}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "never", MountPath: "/never"}}
	})
	_, err := cluster.client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	pod = awaitPod(t, ns, name, "scheduled", podTimeout, func(p *corev1.Pod) bool { return p.Spec.NodeName != "" })

	runOn(t, s.node, "ip", "netns", "add", name)
	gone := false
	t.Cleanup(func() {
		if !gone {
			m, _ := machine.Find(s.node)
			if err := m.Run("ip", "netns", "del", name); err != nil {
				t.Error(err)
			}
		}
	})
	a := attachment{ContainerID: "e2e-" + name, IfName: "eth0", CNIArgs: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", ns}, {"K8S_POD_NAME", name}, {"K8S_POD_UID", string(pod.UID)}}}
	env := a.env("/run/netns/" + name)

	var result current.Result
	add := func() {
		require.NoError(t, json.Unmarshal(s.succeed("ADD", env, nil), &result))
	}
	add()
	assert.Equal(t, s.version, result.CNIVersion)
	require.Len(t, result.IPs, len(families()), "addresses in the result")
	checkAttached(t, s, name, result, neighbour)
	s.succeed("CHECK", env, map[string]any{"prevResult": result})
	runOn(t, s.node, "ip", "-n", name, "address", "del", result.IPs[0].Address.String(), "dev", "eth0")
	_, failure := s.call("CHECK", env, map[string]any{"prevResult": result})
	require.NotNil(t, failure, "CHECK passes although the address was taken from eth0")

	s.succeed("DEL", env, map[string]any{"prevResult": result})
	assert.Empty(t, interfacesOf(t, s.node, a.ContainerID), "Open vSwitch interfaces after DEL")
	assert.NotContains(t, runOn(t, s.node, "ip", "-n", name, "-o", "link"), "eth0", "links in the namespace after DEL")
	s.succeed("DEL", env, nil)

	add()
	require.NotEmpty(t, interfacesOf(t, s.node, a.ContainerID))
	if s.version == "1.1.0" {
		checkGC(t, s, a, neighbour)
		add()
	}
	runOn(t, s.node, "ip", "netns", "del", name)
	gone = true
	s.succeed("DEL", env, nil)
	assert.Empty(t, interfacesOf(t, s.node, a.ContainerID), "Open vSwitch interfaces after DEL without the namespace")
	s.succeed("DEL", a.env(""), nil)
	remove(t, pod)
}

// checkAttached asserts that the namespace has what the result says, and a network.
func checkAttached(t *testing.T, s shim, name string, result current.Result, neighbour *corev1.Pod) {
	t.Helper()
	links := runOn(t, s.node, "ip", "-n", name, "-o", "link", "show", "eth0")
	assert.Contains(t, links, fmt.Sprintf("mtu %d", podMTU))
	// The kernel's own link-local address may still be looked for elsewhere; nothing waits for it.
	addrs := runOn(t, s.node, "ip", "-n", name, "-o", "address", "show", "eth0", "scope", "global")
	for _, ip := range result.IPs {
		assert.Contains(t, addrs, ip.Address.String(), "addresses of eth0")
		assert.NotContains(t, addrs, "tentative", "an address that cannot be used yet")
	}
	m, _ := machine.Find(s.node)
	at := place{name: name, path: fmt.Sprintf("/proc/%d/root/run/netns/%s", m.PID, name)}
	for _, to := range addresses(t, neighbour) {
		a, err := ask(t.Context(), at, "tcp", netip.AddrPortFrom(to, httpPort))
		require.NoErrorf(t, err, "the attached namespace -> %s", to)
		assert.Truef(t, slices.ContainsFunc(result.IPs, func(ip *current.IPConfig) bool { return ip.Address.IP.String() == a.client.String() }),
			"%s saw %s, which is not in the result", to, a.client)
	}
}

// interfacesOf are the names of the node's Open vSwitch interfaces of a container.
func interfacesOf(t *testing.T, node, container string) []string {
	t.Helper()
	return strings.Fields(vsctl(t, node, "--bare", "--columns=name", "find", "Interface", "external_ids:woven.network/container="+container))
}

// vsctl runs ovs-vsctl on a node, beside its database.
func vsctl(t *testing.T, node string, args ...string) string {
	t.Helper()
	return execInContainer(t, wovenPod(t, "woven-ovs", node), "ovsdb", append([]string{"ovs-vsctl"}, args...)...)
}

// checkGC collects all attachments but those of the runtime: ours goes, the others work on.
func checkGC(t *testing.T, s shim, orphan attachment, neighbour *corev1.Pod) {
	t.Helper()
	type valid struct {
		ContainerID string `json:"containerID"`
		IfName      string `json:"ifname"`
	}
	keep := []valid{}
	for _, a := range attachments(t, s.node) {
		keep = append(keep, valid{a.ContainerID, a.IfName})
	}
	require.NotEmpty(t, keep)
	all := func() []string {
		names := strings.Fields(vsctl(t, s.node, "--bare", "--columns=name", "find", "Interface", "external_ids:woven.network/container!=\"\""))
		slices.Sort(names)
		return names
	}
	before := all()
	ours := interfacesOf(t, s.node, orphan.ContainerID)
	require.Len(t, ours, 1)
	s.succeed("GC", nil, map[string]any{"cni.dev/valid-attachments": append(keep, valid{orphan.ContainerID, orphan.IfName})})
	assert.Equal(t, before, all(), "interfaces after a GC that names all attachments as valid")
	s.succeed("GC", nil, map[string]any{"cni.dev/valid-attachments": keep})
	assert.Equal(t, slices.DeleteFunc(slices.Clone(before), func(name string) bool { return name == ours[0] }), all(), "interfaces after a GC of %s", ours)
	for _, to := range addresses(t, neighbour) {
		_, err := ask(t.Context(), nodeNamed(s.node).place(t), "tcp", netip.AddrPortFrom(to, httpPort))
		assert.NoError(t, err, "a pod after a GC that named it as valid")
	}
}
