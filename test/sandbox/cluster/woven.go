package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"

	"github.com/woven-network/woven/go-controller/pkg/config"
	wovenpki "github.com/woven-network/woven/go-controller/pkg/pki"
	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/image"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/step"
)

// namespace is that of dist/manifests.
const namespace = "woven-system"

// workloads are those of dist/manifests, in the order in which they become ready.
var workloads = []string{"deployment/woven-ovn-central", ovs, "daemonset/woven-ovn-controller",
	"deployment/woven-controller", "daemonset/woven-node"}

const ovs = "daemonset/woven-ovs"

// rolloutLog is where a rollout that fails is explained.
var rolloutLog = filepath.Join(machine.StateDir, "rollout.log")

// wovenSteps install Woven as docs/install.md says, from images built of this very tree.
func (c *Cluster) wovenSteps() []step.Step {
	return []step.Step{
		{Title: "build Woven", Log: c.cache.Log("woven"), Do: c.buildWoven},
		{Title: "build Woven's images", Do: c.wovenImages},
		{Title: "import Woven's images", Do: c.importImages},
		{Title: "install Woven", Do: c.installWoven},
		{Title: "wait for Woven", Log: rolloutLog, Do: c.waitForWoven},
		{Title: "replace outdated pods of Open vSwitch", Log: rolloutLog, Do: c.replaceOVS},
		{Title: "wait for the nodes and CoreDNS to be ready", Log: rolloutLog, Do: c.waitForNodes},
	}
}

func (c *Cluster) buildWoven(ctx context.Context) (err error) {
	c.programs.Woven, err = deps.Woven(ctx, c.cache, c.repo)
	return err
}

func (c *Cluster) wovenImages(ctx context.Context) error {
	rootfs, err := image.Rootfs(ctx, c.cache)
	if err != nil {
		return err
	}
	built, err := image.Builder{Cache: c.cache}.BuildWoven(ctx, rootfs, c.programs)
	c.images = append(c.images, built...)
	return err
}

func (c *Cluster) installWoven(ctx context.Context) error {
	manifests := filepath.Join(c.repo, "dist", "manifests")
	if err := c.apply(ctx, "-f", filepath.Join(manifests, "namespace.yaml")); err != nil {
		return err
	}
	if err := c.createCertificates(ctx); err != nil {
		return err
	}
	text, err := c.wovenConfig()
	if err != nil {
		return err
	}
	if err := c.runKubectl(ctx, text, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		return err
	}
	overlay, err := c.kustomization(manifests)
	if err != nil {
		return err
	}
	return c.apply(ctx, "-k", overlay)
}

func (c *Cluster) apply(ctx context.Context, args ...string) error {
	return c.runKubectl(ctx, "", append([]string{"apply", "--server-side", "--force-conflicts"}, args...)...)
}

// createCertificates makes the databases' certificates once: new ones would want every workload restarted.
func (c *Cluster) createCertificates(ctx context.Context) error {
	if c.runKubectl(ctx, "", "get", "secret", "--namespace", namespace, wovenpki.SecretName) == nil {
		return nil
	}
	bundle, err := wovenpki.New(time.Now(), 5)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(wovenpki.Secret(namespace, bundle))
	if err != nil {
		return err
	}
	return c.runKubectl(ctx, string(text), "apply", "--server-side", "-f", "-")
}

// wovenConfig is the ConfigMap woven-config for this cluster.
func (c *Cluster) wovenConfig() (string, error) {
	database := func(port uint16) string {
		return "ssl:" + netip.AddrPortFrom(c.APIServer().Addr(), port).String()
	}
	text, err := yaml.Marshal(config.Config{
		ClusterCIDRs: texts(c.ClusterCIDRs),
		ServiceCIDRs: texts(c.ServiceCIDRs),
		Datapath:     c.Datapath,
		APIServer:    "https://" + c.APIServer().String(),
		OVN: config.OVN{Northbound: database(6641), Southbound: database(6642), PrivateKey: "/etc/woven/tls/key.pem",
			Certificate: "/etc/woven/tls/cert.pem", CACertificate: "/etc/woven/tls/ca.pem"},
	})
	if err != nil {
		return "", err
	}
	if _, err := config.Parse(text); err != nil {
		return "", err
	}
	object, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "woven-config", "namespace": namespace},
		"data":     map[string]string{"config.yaml": string(text)},
	})
	return string(object), err
}

func texts(prefixes []netip.Prefix) []string {
	var all []string
	for _, p := range prefixes {
		all = append(all, p.String())
	}
	return all
}

// kustomization writes a kustomization of the product's that names the images by their digests: an image that
// changed then replaces its pods, and only those.
func (c *Cluster) kustomization(manifests string) (string, error) {
	dir := filepath.Join(confDir, "woven")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base, err := filepath.Rel(dir, manifests) // kustomize takes no absolute path
	if err != nil {
		return "", err
	}
	var images []map[string]string
	for _, name := range []string{image.OVN, image.Woven} {
		built, err := c.image(name)
		if err != nil {
			return "", err
		}
		images = append(images, map[string]string{"name": name, "newTag": built.Tag})
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": []string{base}, "images": images,
	})
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o644)
}

// replaceOVS replaces pods of Open vSwitch that run another image than the manifests now say: their DaemonSet waits
// for a person to do it. One node after the other, and not before the agents are there: in the userspace datapath a
// node without ovs-vswitchd and without an agent that lends the NIC its addresses is cut off from the API server.
func (c *Cluster) replaceOVS(ctx context.Context) error {
	built, err := c.image(image.OVN)
	if err != nil {
		return err
	}
	pods, err := c.ovsPods(ctx)
	if err != nil {
		return err
	}
	for _, old := range pods {
		if old.image == built.Ref() {
			continue
		}
		if err := c.runKubectl(ctx, "", "delete", "pod", "--namespace", namespace, old.name); err != nil {
			return err
		}
		err := wait.PollUntilContextTimeout(ctx, time.Second, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
			now, err := c.ovsPods(ctx)
			return slices.ContainsFunc(now, func(p ovsPod) bool { return p.node == old.node && p.name != old.name && p.ready }), err
		})
		if err != nil {
			return fmt.Errorf("Open vSwitch on %s is not ready again: %w", old.node, err)
		}
	}
	return c.waitForWoven(ctx)
}

type ovsPod struct {
	name, node, image string
	ready             bool
}

func (c *Cluster) ovsPods(ctx context.Context) ([]ovsPod, error) {
	out, err := c.kubectl(ctx, "get", "pods", "--namespace", namespace, "--selector", "app.kubernetes.io/name=woven-ovs", "--output",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.spec.containers[0].image} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`).Output()
	if err != nil {
		return nil, err
	}
	var pods []ovsPod
	for line := range strings.Lines(string(out)) {
		// A pod that is not yet scheduled has fewer words.
		if f := strings.Fields(line); len(f) == 4 {
			pods = append(pods, ovsPod{name: f[0], node: f[1], image: f[2], ready: f[3] == "True"})
		}
	}
	return pods, nil
}

func (c *Cluster) waitForWoven(ctx context.Context) error {
	for _, w := range workloads {
		args := []string{"rollout", "status"}
		if w == ovs { // `rollout status` refuses updateStrategy OnDelete
			args = []string{"wait", fmt.Sprintf("--for=jsonpath={.status.numberReady}=%d", len(c.Nodes))}
		}
		if err := c.runKubectl(ctx, "", append(args, "--namespace", namespace, w, "--timeout=180s")...); err != nil {
			c.explainRollout(namespace)
			return fmt.Errorf("%w; `make logs` gathers everything", err)
		}
	}
	return nil
}

func (c *Cluster) waitForNodes(ctx context.Context) error {
	err := c.runKubectl(ctx, "", "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
	if err == nil {
		err = c.runKubectl(ctx, "", "rollout", "status", "--namespace", "kube-system", "deployment/coredns", "--timeout=180s")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		c.explainRollout("kube-system")
		c.explainRollout(namespace)
	}
	return err
}
