package node

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// image is in every node of the sandbox.
const image = "localhost/pause:dev"

// result is what a series of pods took.
type result struct {
	// adds holds each pod's CNI ADD, running each pod's time from its object to its being Running, in milliseconds.
	adds, running []float64
	// means maps a part of CNI ADD, as the metric names it, to its mean in milliseconds.
	means map[string]float64
}

func (b *bench) makeNamespace(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	_, err := b.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("namespace %s is there already: another benchmark runs, or the last one was cut short; delete it and wait until it is gone", namespace)
	}
	return err
}

// series starts count pods in groups of so many at once, each group when the last has gone.
func (b *bench) series(ctx context.Context, name string, count, atOnce int) (result, error) {
	r := result{means: map[string]float64{}}
	before, err := b.metrics(ctx)
	if err != nil {
		return r, err
	}
	for first := 0; first < count; first += atOnce {
		var names []string
		for n := range atOnce {
			names = append(names, fmt.Sprintf("%s-%03d", name, first+n))
		}
		if err := b.group(ctx, names, &r); err != nil {
			return r, err
		}
	}
	after, err := b.metrics(ctx)
	if err != nil {
		return r, err
	}
	for _, part := range parts {
		labels := fmt.Sprintf("{part=%q}", part.label)
		n := after.Since(before, "woven_node_cni_add_part_seconds_count"+labels)
		r.means[part.label] = 1000 * after.Since(before, "woven_node_cni_add_part_seconds_sum"+labels) / n
	}
	return r, nil
}

// group starts pods at once, waits until they run, notes what they took and takes them away.
func (b *bench) group(ctx context.Context, names []string, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	pods := b.client.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer events.Stop()
	begin := time.Now()
	group, creating := errgroup.WithContext(ctx)
	for _, name := range names {
		group.Go(func() error {
			_, err := pods.Create(creating, newPod(name, b.Node), metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	created, running := map[string]time.Time{}, map[string]time.Time{}
	if err := follow(ctx, events, created, running, func() bool { return len(running) == len(names) }); err != nil {
		return err
	}
	adds, err := b.adds(ctx, begin)
	if err != nil {
		return err
	}
	for _, name := range names {
		took, ok := adds[namespace+"/"+name]
		if !ok {
			return fmt.Errorf("the agent's log has no ADD of %s/%s", namespace, name)
		}
		r.adds = append(r.adds, took)
		r.running = append(r.running, float64(running[name].Sub(created[name]))/float64(time.Millisecond))
	}
	if err := pods.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	if err := follow(ctx, events, created, running, func() bool { return len(created) == 0 }); err != nil {
		return err
	}
	return b.quiet(ctx)
}

// follow notes when pods come, run and go, until it is enough.
func follow(ctx context.Context, events watch.Interface, created, running map[string]time.Time, enough func() bool) error {
	for !enough() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d pods, of which %d run: %w", len(created), len(running), ctx.Err())
		case event, ok := <-events.ResultChan():
			if !ok {
				return fmt.Errorf("the API server has ended the watch")
			}
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				return apierrors.FromObject(event.Object)
			}
			switch {
			case event.Type == watch.Added:
				created[pod.Name] = time.Now()
			case event.Type == watch.Deleted:
				delete(created, pod.Name)
			case pod.Status.Phase == corev1.PodRunning && running[pod.Name].IsZero():
				running[pod.Name] = time.Now()
			}
		}
	}
	return nil
}

// quiet lets kubelet and the container runtime end what they do after a pod's object is gone, which is not much: the sandbox went before.
func (b *bench) quiet(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

func newPod(name, node string) *corev1.Pod {
	// Not 0, with which a pod's object goes before its sandbox does, and the next group meets what is left of the last.
	grace := int64(1)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: corev1.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: &grace,
			Containers:  []corev1.Container{{Name: "pause", Image: image, ImagePullPolicy: corev1.PullNever}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
}
