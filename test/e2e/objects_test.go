//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

const (
	// image has agnhost, a shell, tar and the iproute2 and iputils tools.
	image = "localhost/agnhost:dev"
	// podTimeout is how long a pod may take from its creation until it is Ready, on a busy machine.
	podTimeout = 90 * time.Second
	// httpPort and udpPort are agnhost netexec's in pods.
	httpPort, udpPort = 8080, 8081
)

// newNamespace makes a namespace for this test and removes it afterwards with all that is in it.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns, err := cluster.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { removeNamespace(t, ns.Name) })
	return ns.Name
}

// removeNamespace deletes a namespace and waits until it is gone with its pods and Services: the next test may count
// what is left of them.
func removeNamespace(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), podTimeout)
	defer cancel()
	if err := cluster.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Errorf("remove namespace %s: %v", name, err)
		return
	}
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := cluster.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		t.Errorf("namespace %s is still there %s after its deletion", name, podTimeout)
	}
}

// podOption changes a pod before it is created.
type podOption func(*corev1.Pod)

// netexec describes a pod on a node that runs agnhost's TCP and UDP servers. It tolerates everything, so that it
// runs on the control-plane node and on one that is not ready too.
func netexec(name, node string, options ...podOption) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			NodeSelector:                  map[string]string{corev1.LabelHostname: node},
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			TerminationGracePeriodSeconds: new(int64(1)),
			EnableServiceLinks:            new(false),
			Containers: []corev1.Container{{
				Name: "agnhost", Image: image, ImagePullPolicy: corev1.PullNever,
				Args:         []string{"netexec", fmt.Sprintf("--http-port=%d", httpPort), fmt.Sprintf("--udp-port=%d", udpPort)},
				StartupProbe: serves(httpPort),
			}},
		},
	}
	for _, o := range options {
		o(pod)
	}
	return pod
}

// serves holds once netexec's servers listen; until then a question would be refused. It asks within the container, so
// that Ready says nothing of the network that the tests are about, and is asked no more once it held.
func serves(port uint16) *corev1.Probe {
	const healthz = `exec 3<>/dev/tcp/localhost/%d && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]`
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"bash", "-c", fmt.Sprintf(healthz, port)}}},
		PeriodSeconds:    1,
		FailureThreshold: 60,
	}
}

// hostNetwork puts netexec on the node's own network, on a TCP and UDP port that no other test uses at the same time.
// Its UDP server binds each of the node's addresses: one bound to the wildcard answers from whatever address the
// route prefers, and the client drops that.
func hostNetwork(port uint16) podOption {
	return func(pod *corev1.Pod) {
		pod.Spec.HostNetwork = true
		pod.Spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
		c := &pod.Spec.Containers[0]
		c.StartupProbe = serves(port)
		c.Args = []string{"netexec", fmt.Sprintf("--http-port=%d", port), fmt.Sprintf("--udp-port=%d", port),
			"--udp-listen-addresses=$(HOST_IPS)"}
		c.Env = []corev1.EnvVar{{Name: "HOST_IPS", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIPs"},
		}}}
	}
}

// labelled adds a label.
func labelled(key, value string) podOption {
	return func(pod *corev1.Pod) { pod.Labels[key] = value }
}

// run creates pods and returns them once all are Ready.
func run(t *testing.T, namespace string, pods ...*corev1.Pod) []*corev1.Pod {
	t.Helper()
	for _, pod := range pods {
		_, err := cluster.client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		require.NoErrorf(t, err, "create pod %s", pod.Name)
	}
	ready := make([]*corev1.Pod, len(pods))
	for i, pod := range pods {
		ready[i] = awaitPod(t, namespace, pod.Name, "Ready", podTimeout, isReady)
	}
	return ready
}

// awaitPod waits until a pod exists for which the condition holds and returns it.
func awaitPod(t *testing.T, namespace, name, what string, timeout time.Duration, holds func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var last *corev1.Pod
	_, err := watchtools.UntilWithSync(ctx, podWatch(namespace, name), &corev1.Pod{}, nil, func(e watch.Event) (bool, error) {
		if pod, ok := e.Object.(*corev1.Pod); ok && e.Type != watch.Deleted {
			last = pod
			return holds(pod), nil
		}
		return false, nil
	})
	if err != nil {
		require.Failf(t, "timeout", "pod %s/%s is not %s after %s: %s\n%s", namespace, name, what, timeout, explain(last), events(namespace, name))
	}
	return last
}

func podWatch(namespace, name string) cache.ListerWatcher {
	return cache.NewListWatchFromClient(cluster.client.CoreV1().RESTClient(), "pods", namespace, fields.OneTermEqualSelector("metadata.name", name))
}

// isReady tells whether the pod is Ready and has its addresses.
func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return len(pod.Status.PodIPs) > 0 && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// explain says in a line why a pod may not be ready.
func explain(pod *corev1.Pod) string {
	if pod == nil {
		return "there is no such pod"
	}
	text := fmt.Sprintf("phase %s on node %q", pod.Status.Phase, pod.Spec.NodeName)
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			text += fmt.Sprintf(", %s waits: %s %s", s.Name, w.Reason, w.Message)
		}
	}
	return text
}

// events returns what the cluster reported about an object, a line each.
func events(namespace, name string) string {
	list, err := cluster.client.CoreV1().Events(namespace).List(context.Background(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, e := range list.Items {
		lines = append(lines, "  event "+e.Reason+": "+e.Message)
	}
	return strings.Join(lines, "\n")
}

// remove deletes pods and returns once they are gone from the API, that is, after the runtime called CNI DEL.
func remove(t *testing.T, pods ...*corev1.Pod) {
	t.Helper()
	for _, pod := range pods {
		err := cluster.client.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			require.NoErrorf(t, err, "delete pod %s", pod.Name)
		}
	}
	for _, pod := range pods {
		awaitGone(t, pod)
	}
}

// awaitGone waits until the pod, by its UID, is gone from the API.
func awaitGone(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), podTimeout)
	defer cancel()
	gone := func(store cache.Store) (bool, error) {
		for _, o := range store.List() {
			if o.(*corev1.Pod).UID == pod.UID {
				return false, nil
			}
		}
		return true, nil
	}
	_, err := watchtools.UntilWithSync(ctx, podWatch(pod.Namespace, pod.Name), &corev1.Pod{}, gone, func(e watch.Event) (bool, error) {
		return e.Type == watch.Deleted && e.Object.(*corev1.Pod).UID == pod.UID, nil
	})
	require.NoErrorf(t, err, "pod %s/%s is still there %s after its deletion:\n%s", pod.Namespace, pod.Name, podTimeout, events(pod.Namespace, pod.Name))
}

// addresses are the pod's, one of each family.
func addresses(t *testing.T, pod *corev1.Pod) []netip.Addr {
	t.Helper()
	var addrs []netip.Addr
	for _, ip := range pod.Status.PodIPs {
		a, err := netip.ParseAddr(ip.IP)
		require.NoErrorf(t, err, "pod %s", pod.Name)
		addrs = append(addrs, a)
	}
	return addrs
}

// newService makes a Service of both families with a TCP and a UDP port named like the protocols, at 80 and 81.
func newService(t *testing.T, namespace, name string, selector map[string]string, tcp, udp int) *corev1.Service {
	t.Helper()
	s, err := cluster.client.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: selector, IPFamilyPolicy: new(corev1.IPFamilyPolicyPreferDualStack),
			Ports: []corev1.ServicePort{
				{Name: "tcp", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt(tcp)},
				{Name: "udp", Protocol: corev1.ProtocolUDP, Port: 81, TargetPort: intstr.FromInt(udp)},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return s
}

// clusterIPs are the Service's virtual addresses.
func clusterIPs(t *testing.T, s *corev1.Service) []netip.Addr {
	t.Helper()
	var addrs []netip.Addr
	for _, ip := range s.Spec.ClusterIPs {
		a, err := netip.ParseAddr(ip)
		require.NoErrorf(t, err, "service %s", s.Name)
		addrs = append(addrs, a)
	}
	return addrs
}
