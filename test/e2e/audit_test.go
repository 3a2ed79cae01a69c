//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// auditEvent is what the test wants of a line of the API server's audit log (audit.k8s.io/v1 Event).
type auditEvent struct {
	Verb string `json:"verb"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent  string `json:"userAgent"`
	RequestURI string `json:"requestURI"`
	ObjectRef  struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
}

func (e auditEvent) writes() bool {
	return !slices.Contains([]string{"get", "list", "watch", ""}, e.Verb)
}

// what is the kind of access, without the object's name.
func (e auditEvent) what() string {
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return fmt.Sprintf("%s %s %s", e.User.Username, e.Verb, resource)
}

// testAudit shows from the API server's audit log that a pod's life writes nothing to the API beyond what Kubernetes
// itself writes: pods are made, run and deleted, and nobody but Kubernetes' components and the test wrote to them.
// Woven's identities wrote nothing but leases and events, and its agents made no call at all.
func testAudit(t *testing.T) {
	log := machine.Log(plan.ControlPlane, "audit")
	begin := fileSize(t, log)
	ns := newNamespace(t)
	lifeOfDeployment(t, ns)

	byWhat := map[string]int{}
	for _, e := range readAudit(t, log, begin) {
		if e.ObjectRef.Resource != "pods" || e.ObjectRef.Namespace != ns || !e.writes() {
			continue
		}
		byWhat[e.what()]++
		assert.Truef(t, ofKubernetes(e.User.Username), "somebody else wrote to pod %s: %s by %s", e.ObjectRef.Name, e.what(), e.UserAgent)
	}
	printCounts(t, "writes to the pods", byWhat)
	kubelets := 0
	for what, n := range byWhat {
		if strings.HasPrefix(what, "system:node:") && strings.HasSuffix(what, "patch pods/status") {
			kubelets += n
		}
	}
	assert.NotZero(t, kubelets, "the log has no status update by a kubelet, so it cannot prove anything")

	ours := map[string]int{}
	leases := 0
	for _, e := range readAudit(t, log, 0) {
		agent, _, _ := strings.Cut(e.UserAgent, "/")
		assert.NotContainsf(t, []string{"woven-node", "woven-cni"}, agent, "an agent called the API server: %s %s", e.what(), e.RequestURI)
		if !strings.HasPrefix(e.User.Username, "system:serviceaccount:"+system+":") {
			continue
		}
		ours[e.what()]++
		assert.Equalf(t, "system:serviceaccount:"+system+":woven-controller", e.User.Username, "an identity other than the controller's: %s", e.what())
		if e.writes() {
			assert.Containsf(t, []string{"leases", "events"}, e.ObjectRef.Resource, "Woven wrote: %s %s", e.what(), e.RequestURI)
		}
		if e.ObjectRef.Resource == "leases" {
			leases++
		}
	}
	printCounts(t, "all that Woven asked and wrote since the cluster is up", ours)
	assert.NotZero(t, leases, "the log has no lease of the controller, so it cannot prove anything about Woven")
}

// ofKubernetes tells whether a user is the test, a kubelet, the scheduler or one of kube-controller-manager's
// controllers, which have service accounts in kube-system of their own.
func ofKubernetes(user string) bool {
	return user == "kubernetes-admin" || user == "system:kube-scheduler" || user == "system:kube-controller-manager" ||
		strings.HasPrefix(user, "system:node:") || strings.HasPrefix(user, "system:serviceaccount:kube-system:")
}

// lifeOfDeployment makes a Deployment of pods on the workers, waits until all are available, deletes it and waits
// until its pods are gone.
func lifeOfDeployment(t *testing.T, ns string) {
	t.Helper()
	template := netexec("audited", "").DeepCopy()
	template.Spec.NodeSelector = nil
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "audited"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(4)),
			Selector: &metav1.LabelSelector{MatchLabels: template.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec},
		},
	}
	_, err := cluster.client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
	require.NoError(t, err)
	awaitAvailable(t, ns, d.Name, *d.Spec.Replicas)
	pods, err := cluster.client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, pods.Items, 4)
	policy := metav1.DeletePropagationForeground
	require.NoError(t, cluster.client.AppsV1().Deployments(ns).Delete(t.Context(), d.Name, metav1.DeleteOptions{PropagationPolicy: &policy}))
	for _, pod := range pods.Items {
		awaitGone(t, &pod)
	}
}

func awaitAvailable(t *testing.T, ns, name string, replicas int32) {
	t.Helper()
	ctx, cancel := watchtools.ContextWithOptionalTimeout(t.Context(), podTimeout)
	defer cancel()
	lw := cache.NewListWatchFromClient(cluster.client.AppsV1().RESTClient(), "deployments", ns, fields.OneTermEqualSelector("metadata.name", name))
	var last int32
	_, err := watchtools.UntilWithSync(ctx, lw, &appsv1.Deployment{}, nil, func(e watch.Event) (bool, error) {
		last = e.Object.(*appsv1.Deployment).Status.AvailableReplicas
		return last >= replicas, nil
	})
	require.NoErrorf(t, err, "deployment %s/%s has %d of %d available replicas after %s", ns, name, last, replicas, podTimeout)
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err, "the API server's audit log")
	return info.Size()
}

// readAudit reads the log from a place in the file on. The API server writes an event before it answers the request.
func readAudit(t *testing.T, path string, from int64) []auditEvent {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(from, io.SeekStart)
	require.NoError(t, err)
	var all []auditEvent
	start := time.Now()
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			break // what follows the last newline is being written
		}
		var e auditEvent
		require.NoErrorf(t, json.Unmarshal(line, &e), "a line of the audit log: %s", line)
		all = append(all, e)
	}
	t.Logf("%d events of the audit log read in %s", len(all), time.Since(start).Round(time.Millisecond))
	return all
}

func printCounts(t *testing.T, title string, counts map[string]int) {
	t.Helper()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "\n%6d %s", counts[what], what)
	}
	t.Logf("%s:%s", title, text.String())
}
