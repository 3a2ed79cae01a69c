//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// births makes pods and notes when each came to run. A pod that runs is deleted again.
type births struct {
	namespace string
	nodes     []node
	stop      context.CancelFunc
	done      sync.WaitGroup

	mu sync.Mutex
	// pods maps a pod's name to its life.
	pods map[string]*birth
	// refused is how often the API server did not take a pod, and reason the last reason.
	refused int
	reason  error
	// changed is closed and replaced when a pod came to run.
	changed chan struct{}
}

// birth is the life of a pod as the API server tells it.
type birth struct {
	name, node string
	// floor is set of a pod on its node's own network: it needs all that a pod needs but Woven, so it tells how long
	// this machine takes.
	floor   bool
	created time.Time
	// running is when its phase became Running; zero until then.
	running time.Time
}

// birthInterval is the time between two pods, of which every second is a floor.
const birthInterval = time.Second

// newBirths follows the pods of a namespace until the test ends.
func newBirths(t *testing.T, namespace string, nodes ...node) *births {
	t.Helper()
	b := &births{namespace: namespace, nodes: nodes, stop: func() {}, pods: map[string]*birth{}, changed: make(chan struct{})}
	// An informer, and not a watch: it survives an API server that is away.
	factory := informers.NewSharedInformerFactoryWithOptions(cluster.client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { b.saw(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { b.saw(o.(*corev1.Pod)) },
	})
	require.NoError(t, err)
	following, end := context.WithCancel(context.Background())
	factory.Start(following.Done())
	factory.WaitForCacheSync(following.Done())
	t.Cleanup(func() {
		b.end()
		end()
		factory.Shutdown()
	})
	return b
}

// startBirths makes a pod each interval, on the nodes in turn, until the test ends or end is called.
func startBirths(t *testing.T, namespace string, nodes ...node) *births {
	t.Helper()
	b := newBirths(t, namespace, nodes...)
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	b.done.Go(func() {
		tick := time.NewTicker(birthInterval)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.make(ctx, i/2, i%2 == 1)
			}
		}
	})
	return b
}

// birthplaces are the nodes to make pods on while packets between workers are counted. With Open vSwitch in userspace
// it is the one that carries none of them: there, whenever a link comes or goes on a node, ovs-vswitchd 3.5 empties and
// fills its copy of the routing table, and tunnels of which it computes a flow meanwhile are closed for some
// milliseconds (docs/pipeline-node.md). That is no fault of what the tests kill.
func birthplaces(t *testing.T) []node {
	t.Helper()
	if strings.TrimSpace(vsctl(t, controlPlane().name, "get", "Bridge", "br-int", "datapath_type")) == "netdev" {
		return []node{controlPlane()}
	}
	return cluster.nodes
}

// make makes the i-th pod, or the floor beside it.
func (b *births) make(ctx context.Context, i int, floor bool) {
	life := &birth{name: fmt.Sprintf("born-%d", i), node: b.nodes[i%len(b.nodes)].name, floor: floor, created: time.Now()}
	options := []podOption{idle}
	if floor {
		life.name = fmt.Sprintf("floor-%d", i)
		options = append(options, func(pod *corev1.Pod) { pod.Spec.HostNetwork = true })
	}
	b.mu.Lock()
	b.pods[life.name] = life
	b.mu.Unlock()
	attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := cluster.client.CoreV1().Pods(b.namespace).Create(attempt, netexec(life.name, life.node, options...), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.pods, life.name)
		b.refused, b.reason = b.refused+1, err
	}
}

// idle makes a pod that does nothing and is not probed: only its birth is of interest.
func idle(pod *corev1.Pod) {
	c := &pod.Spec.Containers[0]
	c.Args, c.StartupProbe = []string{"pause"}, nil
}

func (b *births) saw(pod *corev1.Pod) {
	if pod.Status.Phase != corev1.PodRunning {
		return
	}
	b.mu.Lock()
	life := b.pods[pod.Name]
	if life == nil || !life.running.IsZero() {
		b.mu.Unlock()
		return
	}
	life.running = time.Now()
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
	// A namespace that is being removed deletes it too, and a pod that stays is found when that does not become empty.
	go func() {
		_ = cluster.client.CoreV1().Pods(b.namespace).Delete(context.Background(), pod.Name, metav1.DeleteOptions{})
	}()
}

// end makes no more pods.
func (b *births) end() {
	b.stop()
	b.done.Wait()
}

// awaitRunning waits until every pod runs that was made before a time, and so many that were made after it.
func (b *births) awaitRunning(t *testing.T, at time.Time, after int, timeout time.Duration) {
	t.Helper()
	overdue := time.After(timeout)
	for {
		b.mu.Lock()
		changed, missing, born := b.changed, []string(nil), 0
		for _, life := range b.pods {
			switch {
			case life.running.IsZero() && life.created.Before(at):
				missing = append(missing, life.name)
			case !life.running.IsZero() && life.created.After(at) && !life.floor:
				born++
			}
		}
		reason := b.reason
		b.mu.Unlock()
		if len(missing) == 0 && born >= after {
			return
		}
		select {
		case <-changed:
		case <-overdue:
			var why strings.Builder
			for _, name := range missing {
				fmt.Fprintf(&why, "%s:\n%s\n", name, events(b.namespace, name))
			}
			require.Failf(t, "timeout", "after %s, pods %v do not run and %d of %d younger ones do; the last error of the API server: %v\n%s",
				timeout, missing, born, after, reason, why.String())
		}
	}
}

// late returns for each pod that ran after a time how long after that time, or after its own creation if that was
// later, it came to run, the slowest first; and the slowest of the floors.
func (b *births) late(at time.Time) (all []lateness, floor time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, life := range b.pods {
		if life.running.IsZero() || life.running.Before(at) {
			continue
		}
		from := at
		if life.created.After(at) {
			from = life.created
		}
		took := life.running.Sub(from)
		if life.floor {
			floor = max(floor, took)
			continue
		}
		all = append(all, lateness{*life, took})
	}
	slices.SortFunc(all, func(a, b lateness) int { return cmp.Compare(b.took, a.took) })
	return all, floor
}

// backlog returns when the first of the floors ran after a time, and when the last did of those that were waiting by then.
// kubelet, when it hears from the API server again, begins with all that wait at once and in no order, and many pods keep
// the machine busy for longer than one.
func (b *births) backlog(at time.Time) (first, last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var floors []*birth
	for _, life := range b.pods {
		if life.floor && life.running.After(at) {
			floors = append(floors, life)
		}
	}
	slices.SortFunc(floors, func(a, b *birth) int { return a.running.Compare(b.running) })
	for _, life := range floors {
		if first.IsZero() {
			first = life.running
		}
		if life.created.Before(first) {
			last = life.running
		}
	}
	return first, last
}

// lateness is how long a pod kept one waiting.
type lateness struct {
	birth
	took time.Duration
}

func (l lateness) String() string {
	return fmt.Sprintf("%s on %s: made %s, ran %s, %s late", l.name, l.node, l.created.Format("05.000"), l.running.Format("05.000"), l.took.Round(time.Millisecond))
}

// returnTimeout is how long after the return of what was away a pod may take to run, beyond what this machine takes for
// a pod that needs nothing of Woven.
const returnTimeout = 10 * time.Second

// inTime asserts that since something returned no pod kept one waiting for too long.
func (b *births) inTime(t *testing.T, returned time.Time) {
	t.Helper()
	all, floor := b.late(returned)
	require.NotEmpty(t, all, "there were no pods")
	first, last := b.backlog(returned)
	during := 0
	for _, life := range all {
		if life.created.Before(returned) {
			during++
		}
		limit := floor
		if life.created.Before(first) {
			limit = max(limit, life.took+last.Sub(life.running)) // as late as the last floor
		}
		assert.LessOrEqualf(t, life.took, returnTimeout+limit, "%s\n%s", life, events(b.namespace, life.name))
	}
	t.Logf("%d pods came to run since the return, %d of them made before it; the slowest took %s, of those without Woven %s",
		len(all), during, all[0].took.Round(time.Millisecond), floor.Round(time.Millisecond))
}
