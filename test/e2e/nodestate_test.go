//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// addressesOf are the node's addresses with their links, as `ip -brief address` has them, but for pods' links and
// link-local ones.
func addressesOf(t *testing.T, n node) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(n.run(t, "ip", "-brief", "address")) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		link, _, _ := strings.Cut(f[0], "@") // a veth's peer stands behind its name
		for _, a := range f[1:] {
			if strings.Contains(a, "/") && !strings.HasPrefix(a, "fe80:") {
				all = append(all, link+" "+a)
			}
		}
	}
	slices.Sort(all)
	return all
}

// routesOf are the node's routes of all families in the main table.
func routesOf(t *testing.T, n node) []string {
	t.Helper()
	var all []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(n.run(t, "ip", family, "route")) {
			if !strings.HasPrefix(line, "fe80::/64") {
				// Words in order of appearance; "linkdown" and the like would be a difference worth seeing.
				all = append(all, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	slices.Sort(all)
	return all
}

// awaitReply waits until a stream has a reply later than a time, and returns when that came.
func awaitReply(t *testing.T, what string, s *stream, after time.Time, timeout time.Duration) time.Time {
	t.Helper()
	var at time.Time
	err := wait.PollUntilContextTimeout(t.Context(), pingInterval, timeout, true, func(context.Context) (bool, error) {
		at = s.firstReplyAfter(after)
		return !at.IsZero(), nil
	})
	require.NoErrorf(t, err, "%s: no reply within %s", what, timeout)
	return at
}

// awaitMatch waits for a pod of Woven's with those labels for which the condition holds.
func awaitMatch(t *testing.T, selector, what string, holds func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	_, err := labels.Parse(selector)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), podTimeout)
	defer cancel()
	lw := cache.NewFilteredListWatchFromClient(cluster.client.CoreV1().RESTClient(), "pods", system, func(o *metav1.ListOptions) { o.LabelSelector = selector })
	var found *corev1.Pod
	var seen []string
	_, err = watchtools.UntilWithSync(ctx, lw, &corev1.Pod{}, nil, func(e watch.Event) (bool, error) {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok || e.Type == watch.Deleted {
			return false, nil
		}
		seen = append(seen, fmt.Sprintf("%s: %s", pod.Name, explain(pod)))
		found = pod
		return holds(pod), nil
	})
	require.NoErrorf(t, err, "after %s it is not so that %s; seen:\n%s", podTimeout, what, strings.Join(seen, "\n"))
	return found
}
