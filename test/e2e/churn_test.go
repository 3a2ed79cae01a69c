//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// churnPods is how many pods are made and deleted on one node at once.
const churnPods = 30

// testChurn makes and deletes many pods on one node and compares what is there before and after: logical ports, Open
// vSwitch ports, links and network namespaces. Addresses that became free are not given to the next pods.
func testChurn(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[0]
	before := leftovers(t, n)
	var pods []*corev1.Pod
	for i := range churnPods {
		pods = append(pods, netexec(fmt.Sprintf("churn-%d", i), n.name))
	}
	start := time.Now()
	made := run(t, ns, pods...)
	ready := time.Since(start)
	used := map[netip.Addr]string{}
	for _, pod := range made {
		for _, a := range addresses(t, pod) {
			assert.Emptyf(t, used[a], "%s has the address of %s", pod.Name, used[a])
			used[a] = pod.Name
		}
	}
	for _, pod := range made {
		for _, a := range addresses(t, pod) {
			_, err := ask(t.Context(), n.place(t), "tcp", netip.AddrPortFrom(a, httpPort))
			assert.NoErrorf(t, err, "%s of %s", a, pod.Name)
		}
	}
	assert.Len(t, added(before, leftovers(t, n))["logical ports"], churnPods, "logical ports that the pods brought")
	start = time.Now()
	remove(t, made...)
	t.Logf("%d pods were Ready after %s and gone after %s", churnPods, ready.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	checkNothingLeft(t, n, before)

	next := run(t, ns, netexec("next-0", n.name), netexec("next-1", n.name), netexec("next-2", n.name))
	for _, pod := range next {
		for _, a := range addresses(t, pod) {
			assert.Emptyf(t, used[a], "%s has the address %s that %s had a moment ago", pod.Name, a, used[a])
		}
	}
	remove(t, next...)
	checkNothingLeft(t, n, before)
}

// leftovers maps a kind of thing that a pod brings to a node to the names of those that are there.
func leftovers(t *testing.T, n node) map[string][]string {
	t.Helper()
	all := map[string][]string{
		"logical ports":      strings.Fields(nbctl(t, "--bare", "--columns=name", "list", "Logical_Switch_Port")),
		"Open vSwitch ports": strings.Fields(vsctl(t, n.name, "list-ports", "br-int")),
		"network namespaces": strings.Fields(n.run(t, "ls", "/run/netns")),
	}
	var links []struct {
		Name string `json:"ifname"`
	}
	require.NoError(t, json.Unmarshal([]byte(n.run(t, "ip", "-json", "link")), &links))
	for _, l := range links {
		all["links"] = append(all["links"], l.Name)
	}
	for _, list := range all {
		slices.Sort(list)
	}
	return all
}

// added are those names that were not there before.
func added(before, after map[string][]string) map[string][]string {
	more := map[string][]string{}
	for kind, names := range after {
		for _, name := range names {
			if !slices.Contains(before[kind], name) {
				more[kind] = append(more[kind], name)
			}
		}
	}
	return more
}

// checkNothingLeft waits until a node has nothing that it had not before. The API forgets a pod when the runtime is
// done; the controller hears of it a moment later.
func checkNothingLeft(t *testing.T, n node, before map[string][]string) {
	t.Helper()
	var after, more map[string][]string
	start := time.Now()
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 15*time.Second, true, func(context.Context) (bool, error) {
		after = leftovers(t, n)
		more = added(before, after)
		return len(more) == 0, nil
	})
	assert.NoErrorf(t, err, "left on %s 15 s after the pods are gone: %v", n.name, more)
	t.Logf("on %s %s later: %d logical ports in the cluster, %d Open vSwitch ports, %d namespaces, %d links, none of them new", n.name,
		time.Since(start).Round(time.Millisecond), len(after["logical ports"]), len(after["Open vSwitch ports"]), len(after["network namespaces"]), len(after["links"]))
}

// testSameName deletes the pod of a StatefulSet again and again, by turns gracefully and at once. The pod that follows
// has the same name and another UID; while it starts, the runtime may still be ending the former one.
func testSameName(t *testing.T) {
	ns := newNamespace(t)
	n := workers()[1]
	s := statefulSet("web", n.name)
	_, err := cluster.client.AppsV1().StatefulSets(ns).Create(t.Context(), s, metav1.CreateOptions{})
	require.NoError(t, err)
	pod := awaitPod(t, ns, "web-0", "Ready", podTimeout, isReady)
	for _, grace := range []int64{1, 0, 0} {
		old := pod
		err := cluster.client.CoreV1().Pods(ns).Delete(t.Context(), old.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace})
		require.NoError(t, err)
		start := time.Now()
		pod = awaitPod(t, ns, "web-0", "Ready again", podTimeout, func(p *corev1.Pod) bool { return p.UID != old.UID && isReady(p) })
		took := time.Since(start)
		for _, from := range cluster.nodes {
			for _, a := range addresses(t, pod) {
				seen, _ := askUntil(t, from.place(t), "tcp", netip.AddrPortFrom(a, httpPort), 10*time.Second, func(answer) bool { return true })
				assert.Equal(t, "web-0", seen.server)
			}
		}
		version := nbctl(t, "get", "Logical_Switch_Port", ns+"/web-0", "options:iface-id-ver")
		assert.Equal(t, string(pod.UID), strings.Trim(strings.TrimSpace(version), `"`), "iface-id-ver of the new pod's port")
		t.Logf("deleted with a grace of %d s, the pod was Ready again with another UID after %s", grace, took.Round(time.Millisecond))
	}
}

func statefulSet(name, node string) *appsv1.StatefulSet {
	template := netexec(name, node)
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(1)), ServiceName: name,
			Selector: &metav1.LabelSelector{MatchLabels: template.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec},
		},
	}
}
