// Package kube renders what Kubernetes' components are started with. It is pure but for reading certificates into
// kubeconfigs; package cluster starts the components.
package kube

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/woven-network/woven/test/sandbox/pki"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Paths are the folders that the components' arguments name.
type Paths struct {
	// Bin holds the Kubernetes programs, PKI the certificates, Conf kubeconfigs and other configuration files.
	Bin, PKI, Conf string
	// Etcd is etcd's program.
	Etcd string
	// AuditLog is the API server's audit log.
	AuditLog string
	// EtcdData is etcd's database.
	EtcdData string
}

// Names of certificates and configuration files that several components use.
const (
	CA                   = "ca"
	FrontProxyCA         = "front-proxy-ca"
	APIServer            = "kube-apiserver"
	APIServerKubelet     = "kube-apiserver-kubelet-client"
	FrontProxy           = "front-proxy-client"
	ServiceAccount       = "service-account"
	ControllerManager    = "kube-controller-manager"
	Scheduler            = "kube-scheduler"
	Admin                = "admin"
	AuditPolicy          = "audit-policy.yaml"
	serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local"
)

// Etcd returns etcd's command line. Losing the last writes in a power cut is no matter here, and syncing every
// write to a slow disk would make the whole cluster slow.
func Etcd(p Paths) []string {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return []string{p.Etcd, "--name=sandbox", "--data-dir=" + p.EtcdData, "--unsafe-no-fsync",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=sandbox=" + peer}
}

// APIServerArgs returns kube-apiserver's command line.
func APIServerArgs(pl plan.Plan, p Paths) []string {
	crt := func(name string) string { return pki.CertFile(p.PKI, name) }
	key := func(name string) string { return pki.KeyFile(p.PKI, name) }
	return []string{filepath.Join(p.Bin, APIServer),
		"--advertise-address=" + pl.APIServer().Addr().String(),
		fmt.Sprintf("--secure-port=%d", plan.APIServerPort),
		"--bind-address=" + anyAddress(pl).String(),
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + Join(pl.ServiceCIDRs),
		"--allow-privileged=true",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + crt(CA),
		"--tls-cert-file=" + crt(APIServer), "--tls-private-key-file=" + key(APIServer),
		"--kubelet-certificate-authority=" + crt(CA),
		"--kubelet-client-certificate=" + crt(APIServerKubelet), "--kubelet-client-key=" + key(APIServerKubelet),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-key-file=" + filepath.Join(p.PKI, ServiceAccount+".pub"),
		"--service-account-signing-key-file=" + key(ServiceAccount),
		"--requestheader-client-ca-file=" + crt(FrontProxyCA),
		"--requestheader-allowed-names=" + FrontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + crt(FrontProxy), "--proxy-client-key-file=" + key(FrontProxy),
		"--audit-policy-file=" + filepath.Join(p.Conf, AuditPolicy),
		"--audit-log-path=" + p.AuditLog, "--audit-log-maxsize=1000",
		"--profiling=false",
		"--v=2"}
}

// ControllerManagerArgs returns kube-controller-manager's command line. It hands out the nodes' pod networks.
func ControllerManagerArgs(pl plan.Plan, p Paths) []string {
	conf := filepath.Join(p.Conf, ControllerManager+".conf")
	args := []string{filepath.Join(p.Bin, ControllerManager),
		"--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
		"--bind-address=127.0.0.1",
		"--cluster-name=woven-sandbox",
		"--cluster-cidr=" + Join(pl.ClusterCIDRs),
		"--service-cluster-ip-range=" + Join(pl.ServiceCIDRs),
		"--allocate-node-cidrs=true",
		"--controllers=*,bootstrapsigner,tokencleaner",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + pki.CertFile(p.PKI, CA),
		"--client-ca-file=" + pki.CertFile(p.PKI, CA),
		"--requestheader-client-ca-file=" + pki.CertFile(p.PKI, FrontProxyCA),
		"--cluster-signing-cert-file=" + pki.CertFile(p.PKI, CA),
		"--cluster-signing-key-file=" + pki.KeyFile(p.PKI, CA),
		"--service-account-private-key-file=" + pki.KeyFile(p.PKI, ServiceAccount),
		"--leader-elect=false",
		"--v=2"}
	switch pl.Families {
	case "dual":
		args = append(args, "--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64")
	case "ipv4":
		args = append(args, "--node-cidr-mask-size=24")
	case "ipv6":
		args = append(args, "--node-cidr-mask-size=64")
	}
	return args
}

// SchedulerArgs returns kube-scheduler's command line.
func SchedulerArgs(p Paths) []string {
	conf := filepath.Join(p.Conf, Scheduler+".conf")
	return []string{filepath.Join(p.Bin, Scheduler),
		"--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--v=2"}
}

// AuditPolicyText has the API server note who did what to which object, without the objects themselves. Reads
// are left out, since what the sandbox's tests ask the log is who *writes*; but not Woven's, and not those of callers
// without a name, since they also ask whether Woven reads only what it should and its agents nothing.
const AuditPolicyText = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:woven-system", "system:unauthenticated"]
- level: None
  verbs: [get, list, watch]
- level: None
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
- level: Metadata
`

func anyAddress(p plan.Plan) netip.Addr {
	if p.Families == "ipv4" {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified() // takes IPv4 as well
}

// Join writes a list as Kubernetes' flags want it.
func Join[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.String()
	}
	return strings.Join(texts, ",")
}
