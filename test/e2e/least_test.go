//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/woven-network/woven/test/permission"
)

// testPermissions asks the API server what each of Woven's ServiceAccounts may do: no more than dist/manifests says
// and than any account may.
func testPermissions(t *testing.T) {
	want, err := os.ReadFile("../../dist/manifests/testdata/permissions.txt")
	require.NoError(t, err)
	namespaces, err := cluster.client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	accounts, err := cluster.client.CoreV1().ServiceAccounts(system).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, accounts.Items)
	nobody := newNamespace(t)
	var lines []string
	for _, account := range accounts.Items {
		// As nobody has a role in the new namespace, what is allowed there is allowed everywhere.
		everywhere := allowed(t, account.Namespace, account.Name, nobody, "")
		common := allowed(t, nobody, "default", nobody, "")
		for _, l := range everywhere {
			if !slices.Contains(common, strings.Replace(l, account.Namespace+"/"+account.Name, nobody+"/default", 1)) {
				lines = append(lines, l)
			}
		}
		for _, in := range namespaces.Items {
			for _, l := range allowed(t, account.Namespace, account.Name, in.Name, in.Name) {
				if !slices.Contains(everywhere, strings.Replace(l, " in "+in.Name, " in all namespaces", 1)) {
					lines = append(lines, l)
				}
			}
		}
	}
	slices.Sort(lines)
	assert.Equal(t, string(want), strings.Join(slices.Compact(lines), "\n")+"\n")
}

// allowed returns what an account may do in a namespace, written as being allowed in "as", which is empty for
// everywhere.
func allowed(t *testing.T, namespace, account, in, as string) []string {
	t.Helper()
	config := rest.CopyConfig(cluster.config)
	config.Impersonate.UserName = fmt.Sprintf("system:serviceaccount:%s:%s", namespace, account)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: in}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.False(t, review.Status.Incomplete, "%s", review.Status.EvaluationError)
	var rules []rbacv1.PolicyRule
	for _, r := range review.Status.ResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	for _, r := range review.Status.NonResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
	}
	return permission.Lines(namespace, account, as, rules)
}

// capabilityBits are the kernel's numbers of the capabilities that manifests add (linux/capability.h).
var capabilityBits = map[corev1.Capability]int{"CHOWN": 0, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_MODULE": 16, "SYS_ADMIN": 21}

// testConfinement looks at the processes of Woven's containers: the runtime did with them what the manifests ask for.
func testConfinement(t *testing.T) {
	pods, err := cluster.client.CoreV1().Pods(system).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, pods.Items)
	for _, pod := range pods.Items {
		for _, c := range pod.Spec.Containers {
			where := pod.Name + "/" + c.Name
			status := processStatus(t, processOf(t, containerStatus(t, &pod, c.Name)))
			bits := 0
			for _, added := range c.SecurityContext.Capabilities.Add {
				bits |= 1 << capabilityBits[added]
			}
			bounding, err := strconv.ParseUint(status["CapBnd"], 16, 64)
			require.NoError(t, err)
			assert.Equalf(t, uint64(bits), bounding, "%s: capabilities that it can have", where)
			assert.Equalf(t, "2", status["Seccomp"], "%s: a filter of system calls", where)
			assert.Equalf(t, "1", status["NoNewPrivs"], "%s: no new privileges", where)
			root := pod.Spec.SecurityContext.RunAsNonRoot == nil
			assert.Equalf(t, root, strings.HasPrefix(status["Uid"], "0\t"), "%s: it is root", where)
			if pod.Spec.ServiceAccountName != "woven-controller" {
				_, err := os.Stat(fmt.Sprintf("/proc/%d/root/var/run/secrets/kubernetes.io", processOf(t, containerStatus(t, &pod, c.Name))))
				assert.ErrorIsf(t, err, os.ErrNotExist, "%s: a token for the API server", where)
			}
		}
	}
}

// processStatus is what the kernel says of a process, by the names of /proc/PID/status.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status
}
