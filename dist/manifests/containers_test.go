package manifests

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// capabilities are all that containers have, by "<workload>/<container>", each with what needs it. All others have
// none.
var capabilities = map[string]map[corev1.Capability]string{
	"woven-ovn-central/own-data": {"CHOWN": "gives the databases' folder to the user that serves them"},
	"woven-ovs/load-module":      {"SYS_MODULE": "finit_module(2)"},
	"woven-ovs/vswitchd": {
		"NET_ADMIN": "the kernel's datapath, taps, settings of network devices",
		"NET_RAW":   "packet sockets of the userspace datapath",
	},
	"woven-node/agent": {
		"NET_ADMIN": "interfaces, addresses, routes, rules and settings",
		"SYS_ADMIN": "setns(2) into the network namespaces of pods, bpf(2)",
	},
}

// asRoot are the containers whose user is root, with the reason.
var asRoot = map[string]string{
	"woven-ovn-central/own-data": "gives files away",
	"woven-ovs/load-module":      "loads a module",
	"woven-ovs/ovsdb":            "its socket is in a folder of root's, for ovs-vswitchd and the agent",
	"woven-ovs/vswitchd":         "as ovsdb",
	"woven-node/install-cni":     "writes into /opt/cni/bin, which is root's",
	"woven-node/agent":           "its socket and the folders it writes to are root's",
}

// hostPaths are what workloads see of the host, with the reason.
var hostPaths = map[string]map[string]string{
	"woven-ovn-central": {"/var/lib/woven/ovn": "the databases' files"},
	"woven-ovs": {
		"/run/openvswitch":           "sockets",
		"/var/lib/woven/openvswitch": "conf.db",
		"/dev/net":                   "taps",
		"/lib/modules":               "read by load-module",
	},
	"woven-ovn-controller": {"/run/openvswitch": "sockets of Open vSwitch"},
	"woven-node": {
		"/run/openvswitch": "sockets of Open vSwitch",
		"/run/woven":       "sockets of the CNI shim and of probes",
		"/etc/cni/net.d":   "the network configuration",
		"/opt/cni/bin":     "the CNI shim",
		"/proc/sys/net":    "settings of the kernel",
	},
	"woven-controller": nil,
}

// TestContainersHaveTheLeastTheyNeed fails for a container that may do more than the lists above say, and for an entry
// of the lists that nothing needs any more.
func TestContainersHaveTheLeastTheyNeed(t *testing.T) {
	var seenCapabilities, seenRoot int
	workloads := read(t).workloads
	require.Len(t, workloads, len(hostPaths), "workloads")
	for _, w := range workloads {
		pod := w.Spec
		require.NotNil(t, pod.SecurityContext, w.Name)
		assert.False(t, pod.HostPID || pod.HostIPC, "%s: namespaces of the host", w.Name)
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			name := w.Name + "/" + c.Name
			s := c.SecurityContext
			if !assert.NotNil(t, s, "%s has no securityContext", name) {
				continue
			}
			assert.Nil(t, s.Privileged, "%s: privileged", name)
			assert.Nil(t, s.ProcMount, "%s: procMount", name)
			assert.Equal(t, new(bool), s.AllowPrivilegeEscalation, "%s: allowPrivilegeEscalation", name)
			if assert.NotNil(t, s.ReadOnlyRootFilesystem, "%s: readOnlyRootFilesystem", name) {
				assert.True(t, *s.ReadOnlyRootFilesystem, "%s: readOnlyRootFilesystem", name)
			}
			seccomp := pod.SecurityContext.SeccompProfile
			if s.SeccompProfile != nil {
				seccomp = s.SeccompProfile
			}
			if assert.NotNil(t, seccomp, "%s: seccompProfile", name) {
				assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, seccomp.Type, "%s: seccompProfile", name)
			}
			if assert.NotNil(t, s.Capabilities, "%s: capabilities", name) {
				assert.Equal(t, []corev1.Capability{"ALL"}, s.Capabilities.Drop, "%s: dropped capabilities", name)
				seenCapabilities += len(s.Capabilities.Add)
				for _, a := range s.Capabilities.Add {
					assert.Contains(t, capabilities[name], a, "%s has the capability %s without a reason", name, a)
				}
			}
			if asRoot[name] != "" {
				seenRoot++
				continue
			}
			nonRoot, user := pod.SecurityContext.RunAsNonRoot, pod.SecurityContext.RunAsUser
			if s.RunAsNonRoot != nil {
				nonRoot = s.RunAsNonRoot
			}
			if s.RunAsUser != nil {
				user = s.RunAsUser
			}
			assert.True(t, nonRoot != nil && *nonRoot && user != nil && *user != 0, "%s may be root without a reason", name)
		}
		paths := map[string]string{}
		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				paths[v.HostPath.Path] = hostPaths[w.Name][v.HostPath.Path]
				assert.NotEmpty(t, paths[v.HostPath.Path], "%s sees %s of the host without a reason", w.Name, v.HostPath.Path)
			}
		}
		assert.Len(t, paths, len(hostPaths[w.Name]), "%s: the host's paths", w.Name)
	}
	listed := 0
	for _, c := range capabilities {
		listed += len(c)
	}
	assert.Equal(t, listed, seenCapabilities, "capabilities that have a reason and no container")
	assert.Equal(t, len(asRoot), seenRoot, "reasons to be root, and no container")
}

// TestOnlyTheControllerHasAToken looks for workloads that could speak to the API server.
func TestOnlyTheControllerHasAToken(t *testing.T) {
	for _, w := range read(t).workloads {
		if w.Name == "woven-controller" {
			assert.Equal(t, "woven-controller", w.Spec.ServiceAccountName)
			continue
		}
		assert.Empty(t, w.Spec.ServiceAccountName, w.Name)
		assert.Equal(t, new(bool), w.Spec.AutomountServiceAccountToken, "%s: automountServiceAccountToken", w.Name)
		for _, v := range w.Spec.Volumes {
			assert.Nil(t, v.Projected, "%s: volume %s", w.Name, v.Name)
		}
	}
}
