//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	sandbox "github.com/woven-network/woven/test/sandbox/cluster"
	"github.com/woven-network/woven/test/sandbox/machine"
)

// system is the namespace that Woven runs in.
const system = "woven-system"

// cluster is the cluster under test, found by TestMain and again by a test that replaces a machine.
var cluster struct {
	config *rest.Config
	client kubernetes.Interface
	// kubeconfig is the file for kubectl.
	kubeconfig string
	// nodes are all nodes, the control-plane node first, then by name.
	nodes []node
}

func TestMain(m *testing.M) {
	// A watch that a test ends is no news; everything else reaches the test as an error.
	klog.SetLogger(logr.Discard())
	if err := findCluster(); err != nil {
		fmt.Fprintf(os.Stderr, "There is no cluster to test: %v. Run `make up` first.\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func findCluster() error {
	cluster.kubeconfig = os.Getenv("KUBECONFIG")
	if cluster.kubeconfig == "" {
		cluster.kubeconfig = sandbox.KubeconfigFile
	}
	config, err := clientcmd.BuildConfigFromFlags("", cluster.kubeconfig)
	if err != nil {
		return err
	}
	// The tests ask often and in parallel; the client's own limit would only hide what the cluster can do.
	config.QPS, config.Burst = 200, 400
	config.UserAgent = "woven-e2e"
	cluster.config = config
	cluster.client, err = kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := cluster.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	cluster.nodes = nil
	for i := range list.Items {
		n, err := describeNode(&list.Items[i])
		if err != nil {
			return err
		}
		cluster.nodes = append(cluster.nodes, n)
	}
	slices.SortFunc(cluster.nodes, func(a, b node) int {
		if a.controlPlane != b.controlPlane {
			if a.controlPlane {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	if len(cluster.nodes) < 3 {
		return fmt.Errorf("it has %d nodes and the tests need 3", len(cluster.nodes))
	}
	return nil
}

func describeNode(object *corev1.Node) (node, error) {
	n := node{name: object.Name}
	_, n.controlPlane = object.Labels["node-role.kubernetes.io/control-plane"]
	for _, a := range object.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			ip, err := netip.ParseAddr(a.Address)
			if err != nil {
				return n, fmt.Errorf("node %s: %w", n.name, err)
			}
			n.ips = append(n.ips, ip)
		}
	}
	for _, cidr := range object.Spec.PodCIDRs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return n, fmt.Errorf("node %s: %w", n.name, err)
		}
		// .1 is the router, .2 the host's own port ovn0.
		n.ovn0 = append(n.ovn0, p.Addr().Next().Next())
	}
	if len(n.ips) == 0 || len(n.ovn0) == 0 {
		return n, fmt.Errorf("node %s has no internal addresses or no podCIDRs yet", n.name)
	}
	for _, c := range object.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return n, fmt.Errorf("node %s is not ready: %s", n.name, c.Message)
		}
	}
	if _, ok := machine.Find(n.name); !ok {
		return n, fmt.Errorf("node %s is no machine of this sandbox", n.name)
	}
	return n, nil
}
