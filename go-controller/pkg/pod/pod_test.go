package pod_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

func parse(t *testing.T) *config.Parsed {
	t.Helper()
	c, err := config.Parse([]byte("ovn: {northbound: 'unix:/n', southbound: 'unix:/s'}\n" +
		"clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/56']\nserviceCIDRs: [10.96.0.0/16, 'fd00:10:96::/112']\n"))
	require.NoError(t, err)
	return c
}

func web() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0", UID: "11-22"}, Spec: corev1.PodSpec{NodeName: "worker-1"}}
}

func worker(podCIDRs ...string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}, Spec: corev1.NodeSpec{PodCIDRs: podCIDRs}}
}

var addresses = []netip.Addr{netip.MustParseAddr("10.244.1.5"), netip.MustParseAddr("fd00:10:244:1::5")}

func translate(t testing.TB, v *kube.View, name string, addresses []netip.Addr) []row.Row {
	t.Helper()
	in := kind.Input{View: v, PodAddresses: func(_, _, _ string) []netip.Addr { return addresses }}
	rows, err := pod.Translate(in, pod.Owner("default", name))
	require.NoError(t, err)
	return rows
}

func TestRows(t *testing.T) {
	static := web()
	static.Name = "static"
	static.Annotations = map[string]string{kube.ConfigHash: "33-44"}
	v := kube.NewView(web(), static, worker("10.244.1.0/24"))
	golden.Compare(t, "pod", golden.Rows(translate(t, v, "web-0", addresses)))
	golden.Compare(t, "pod-ipv6", golden.Rows(translate(t, v, "static", addresses[1:])))
}

func TestNoRows(t *testing.T) {
	host, finished, unbound := web(), web(), web()
	host.Spec.HostNetwork = true
	finished.Status.Phase = corev1.PodSucceeded
	unbound.Spec.NodeName = ""
	for _, p := range []*corev1.Pod{host, finished, unbound} {
		v := kube.NewView(p, worker("10.244.1.0/24"))
		assert.Empty(t, translate(t, v, "web-0", addresses))
		subnets, err := pod.Subnets(v, parse(t), v.Pod("default", "web-0"))
		assert.NoError(t, err)
		assert.Empty(t, subnets)
	}
	v := kube.NewView(web())
	assert.Empty(t, translate(t, v, "web-0", nil))
	assert.Empty(t, translate(t, v, "gone", addresses))
	_, err := pod.Subnets(kube.NewView(worker()), parse(t), kube.NewPod(web()))
	assert.ErrorContains(t, err, "spec.podCIDRs is empty")
}

func TestAffected(t *testing.T) {
	in := kind.Input{View: kube.NewView(web(), worker("10.244.1.0/24")), Config: parse(t)}
	own := []row.Owner{pod.Owner("default", "web-0")}
	assert.Equal(t, own, pod.Affected(in, kube.Change{New: kube.NewPod(web())}))
	assert.Equal(t, own, pod.Affected(in, kube.Change{Old: kube.NewPod(web())}))
	running := web()
	running.Status.Phase = corev1.PodRunning
	running.Status.PodIPs = []corev1.PodIP{{IP: "10.244.1.5"}}
	assert.Empty(t, pod.Affected(in, kube.Change{Old: kube.NewPod(web()), New: kube.NewPod(running)}))
	finished := web()
	finished.Status.Phase = corev1.PodFailed
	assert.Equal(t, own, pod.Affected(in, kube.Change{Old: kube.NewPod(running), New: kube.NewPod(finished)}))
	assert.Equal(t, own, pod.Affected(in, kube.Change{Old: worker(), New: worker("10.244.1.0/24")}), "the node has got its network")
	assert.Empty(t, pod.Affected(in, kube.Change{Old: worker("10.244.1.0/24"), New: worker("10.244.1.0/24")}))
}
