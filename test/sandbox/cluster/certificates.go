package cluster

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/pki"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// certificates makes the cluster's authorities and certificates, and a kubeconfig for everybody who needs one.
func (c *Cluster) certificates(context.Context) error {
	ca, err := pki.NewAuthority(pkiDir, kube.CA)
	if err != nil {
		return err
	}
	front, err := pki.NewAuthority(pkiDir, kube.FrontProxyCA)
	if err != nil {
		return err
	}
	if err := front.Issue(kube.FrontProxy, pki.Subject{CommonName: kube.FrontProxy}); err != nil {
		return err
	}
	if err := pki.NewKey(pkiDir, kube.ServiceAccount); err != nil {
		return err
	}
	for name, subject := range c.subjects() {
		if err := ca.Issue(name, subject); err != nil {
			return err
		}
	}
	return c.kubeconfigs(ca)
}

// subjects maps a certificate's name to whom it is for. Names and groups are those that Kubernetes' built-in roles
// are bound to.
func (c *Cluster) subjects() map[string]pki.Subject {
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	subjects := map[string]pki.Subject{
		kube.APIServer: {
			CommonName: kube.APIServer,
			DNSNames: []string{"localhost", plan.ControlPlane, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local"},
			IPs: append(append(loopback, c.Nodes[0].IPs()...), c.KubernetesService()...),
		},
		kube.APIServerKubelet:  {CommonName: kube.APIServerKubelet, Organization: []string{"system:masters"}},
		kube.ControllerManager: {CommonName: "system:kube-controller-manager"},
		kube.Scheduler:         {CommonName: "system:kube-scheduler"},
		kube.Admin:             {CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
	}
	for _, n := range c.Nodes {
		subjects[kube.KubeletName(n.Name)] = pki.Subject{CommonName: "system:node:" + n.Name,
			Organization: []string{"system:nodes"}, DNSNames: []string{n.Name}, IPs: n.IPs()}
	}
	return subjects
}

func (c *Cluster) kubeconfigs(ca *pki.Authority) error {
	forward, err := apiForward()
	if err != nil {
		return err
	}
	inside := "https://" + c.APIServer().String()
	write := func(file, server, user string) error {
		text, err := kube.Kubeconfig(server, ca.CertFile(), pkiDir, user)
		if err != nil {
			return err
		}
		return os.WriteFile(file, text, 0o600)
	}
	if err := write(KubeconfigFile, "https://"+forward, kube.Admin); err != nil {
		return err
	}
	if err := write(insideKubeconfig, inside, kube.Admin); err != nil {
		return err
	}
	users := []string{kube.ControllerManager, kube.Scheduler}
	for _, n := range c.Nodes {
		users = append(users, kube.KubeletName(n.Name))
	}
	for _, user := range users {
		if err := write(filepath.Join(confDir, user+".conf"), inside, user); err != nil {
			return err
		}
	}
	return nil
}
