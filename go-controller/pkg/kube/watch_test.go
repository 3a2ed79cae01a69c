package kube

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// server lists pods as an API server does, some at a time.
type server struct {
	pods  int
	asked []metav1.ListOptions
	// expire has the second page come too late.
	expire bool
}

func (s *server) list(_ context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
	s.asked = append(s.asked, o)
	from := 0
	if o.Continue != "" {
		if s.expire {
			return nil, apierrors.NewResourceExpired("the token is too old")
		}
		if _, err := fmt.Sscan(o.Continue, &from); err != nil {
			return nil, err
		}
	}
	l := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}}
	for from < s.pods && (o.Limit == 0 || len(l.Items) < int(o.Limit)) {
		l.Items = append(l.Items, *pod("a", fmt.Sprint(from), "n"))
		from++
	}
	if from < s.pods {
		l.Continue = fmt.Sprint(from)
	}
	return l, nil
}

func TestPages(t *testing.T) {
	for name, c := range map[string]struct {
		server   server
		requests int
	}{
		"none":        {server{}, 1},
		"one page":    {server{pods: pageSize}, 1},
		"three pages": {server{pods: 2*pageSize + 1}, 3},
		"expired":     {server{pods: pageSize + 1, expire: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.server
			all, err := pages(s.list, newAlike().trim)(t.Context(), metav1.ListOptions{ResourceVersion: "0", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
			require.NoError(t, err)
			require.Len(t, s.asked, c.requests)
			for _, o := range s.asked {
				require.Empty(t, o.ResourceVersion, "what is now, not what a cache has")
			}
			items, err := meta.ExtractListWithAlloc(all)
			require.NoError(t, err)
			require.Len(t, items, s.pods)
			for i, item := range items {
				require.Equal(t, fmt.Sprint(i), item.(*Pod).Name)
			}
			require.Equal(t, "7", all.(*metav1.List).ResourceVersion)
			require.Empty(t, all.(*metav1.List).Continue)
		})
	}
}

func TestPagesPassErrorsOn(t *testing.T) {
	refuse := func(context.Context, metav1.ListOptions) (*corev1.PodList, error) {
		return nil, apierrors.NewResourceExpired("even the first page")
	}
	_, err := pages(refuse, newAlike().trim)(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsResourceExpired(err))
}

// What pods have in common is kept once, and only that.
func TestAlike(t *testing.T) {
	a := newAlike()
	kept := func(name string, labels map[string]string, port int32) *Pod {
		p := pod("ns", name, "node")
		p.Labels = labels
		p.Spec.Containers = []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}}}}
		o, err := a.trim(p)
		require.NoError(t, err)
		require.Equal(t, NewPod(p), o)
		return o.(*Pod)
	}
	one := kept("one", map[string]string{"app": "web", "tier": "front"}, 80)
	two := kept("two", map[string]string{"tier": "front", "app": "web"}, 80)
	other := kept("other", map[string]string{"app": "web", "tier": "front"}, 81)
	kept("", nil, 80)
	kept("none", nil, 80)
	// The one map changes with the other: it is the same.
	one.Labels["seen"] = "yes"
	require.Equal(t, "yes", two.Labels["seen"])
	require.Same(t, &one.Ports[0], &two.Ports[0])
	require.Equal(t, int32(81), other.Ports[0].Number)
}

func TestCompact(t *testing.T) {
	a, b, c := "one", "", "three"
	compact(&a, &b, &c)
	require.Equal(t, []string{"one", "", "three"}, []string{a, b, c})
	compact()
}

func TestPatient(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tooNew := apierrors.NewTimeoutError("too large resource version", 1)
	tooNew.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}
	for name, c := range map[string]struct {
		err   error
		again bool
	}{
		"refused":      {fmt.Errorf("dial: %w", syscall.ECONNREFUSED), true},
		"no time":      {apierrors.NewTooManyRequests("busy", 0), true},
		"no etcd":      {apierrors.NewTimeoutError("etcd", 1), true},
		"not yet":      {apierrors.NewServiceUnavailable("starting"), true},
		"too old":      {apierrors.NewResourceExpired("old"), false},
		"too new":      {tooNew, false},
		"forbidden":    {apierrors.NewForbidden(pods, "", nil), false},
		"cannot watch": {apierrors.NewInternalError(errors.New("no streaming")), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			answer, err := patient("Pod", func(context.Context, metav1.ListOptions) (string, error) {
				if tries++; tries < 3 {
					return "", c.err
				}
				return "answer", nil
			})(t.Context(), metav1.ListOptions{})
			if c.again {
				require.NoError(t, err)
				require.Equal(t, "answer", answer)
				return
			}
			require.Equal(t, c.err, err)
			require.Equal(t, 1, tries)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := patient("Pod", func(context.Context, metav1.ListOptions) (string, error) {
		cancel()
		return "", syscall.ECONNREFUSED
	})(ctx, metav1.ListOptions{})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
