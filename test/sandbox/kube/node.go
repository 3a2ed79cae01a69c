package kube

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/pki"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Paths inside every node, where Kubernetes' own tools and Woven's manifests expect them.
const (
	ContainerdSocket = "/run/containerd/containerd.sock"
	CNIBin           = "/opt/cni/bin"
	CNIConf          = "/etc/cni/net.d"
)

// KubeletName is the name of a node's kubelet certificate, kubeconfig and configuration.
func KubeletName(node string) string { return "kubelet-" + node }

// KubeletArgs returns a kubelet's command line.
func KubeletArgs(m plan.Machine, p Paths) []string {
	name := filepath.Join(p.Conf, KubeletName(m.Name))
	return []string{filepath.Join(p.Bin, "kubelet"),
		"--config=" + name + ".yaml", "--kubeconfig=" + name + ".conf",
		"--hostname-override=" + m.Name,
		"--node-ip=" + Join(m.IPs()),
		"--root-dir=/var/lib/kubelet",
		"--v=2"}
}

// KubeletConfig returns a node's KubeletConfiguration. What is unusual in it:
//   - cgroupRoot keeps the pods of a node in the machine's own cgroup; enforceNodeAllocatable is off since all nodes share
//     one computer's memory and processors;
//   - makeIPTablesUtilChains is off: not one rule of the host's packet filter;
//   - crashLoopBackOff is as short as it can be: tests kill containers, and a pause of ten seconds or minutes that grows with
//     each would be most of what they measure;
//   - eviction and image collection wait until the disk that all nodes share is really full.
func KubeletConfig(pl plan.Plan, m plan.Machine, p Paths) []byte {
	taints := "[]"
	if m.Name == plan.ControlPlane {
		taints = "[{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]"
	}
	name := KubeletName(m.Name)
	return fmt.Appendf(nil, kubeletConfig, pki.CertFile(p.PKI, CA), pki.CertFile(p.PKI, name), pki.KeyFile(p.PKI, name),
		ContainerdSocket, machine.Cgroup(m.Name), quoted(pl.DNS()), taints)
}

// quoted writes addresses for a YAML list: without quotes the colons of IPv6 mean something else.
func quoted(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = strconv.Quote(a.String())
	}
	return strings.Join(texts, ", ")
}

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %s}
authorization: {mode: Webhook}
tlsCertFile: %s
tlsPrivateKeyFile: %s
containerRuntimeEndpoint: unix://%s
cgroupDriver: cgroupfs
cgroupRoot: %s
cgroupsPerQOS: true
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
crashLoopBackOff: {maxContainerRestartPeriod: 1s}
clusterDNS: [%s]
registerWithTaints: %s
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
staticPodPath: /etc/kubernetes/manifests
podLogsDir: /var/log/pods
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}
`

// ContainerdConfig returns containerd's configuration.
//   - restrict_oom_score_adj: in a virtual machine or container without CAP_SYS_RESOURCE a lower score is refused, and
//     no pod would start;
//   - disable_apparmor: the profile would have to be loaded into the one kernel of all nodes.
func ContainerdConfig(pause string) []byte {
	return fmt.Appendf(nil, containerdConfig, ContainerdSocket, pause, CNIBin, CNIConf)
}

const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  disable_apparmor = true
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`

// ResolvConf is a node's /etc/resolv.conf: the external host answers names outside of the cluster.
func ResolvConf(pl plan.Plan) string {
	var text strings.Builder
	for _, ip := range pl.External.IPs() {
		fmt.Fprintf(&text, "nameserver %s\n", ip)
	}
	return text.String()
}
