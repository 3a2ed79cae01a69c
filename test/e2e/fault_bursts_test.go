//go:build e2e

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// burstPods is how many pods testBursts makes.
var burstPods = flag.Int("bursts", 500, "number of pods to make and delete in bursts while processes are killed")

// burstSize is how many of them are made at once.
const burstSize = 25

// testBursts makes and deletes pods in bursts on all nodes, and kills agents and the controller at random meanwhile.
// Every pod comes to run, and afterwards the databases, network namespaces and links of all nodes are what they were.
func testBursts(t *testing.T) {
	pods := *burstPods
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	before := everythingLeft(t)
	ns := newNamespace(t)
	b := newBirths(t, ns, cluster.nodes...)
	start := time.Now()
	killed := map[string]int{}
	for i := 0; i < pods; i += burstSize {
		var burst []int
		for j := range min(burstSize, pods-i) {
			burst = append(burst, i+j)
		}
		b.done.Go(func() { b.makeAll(t, burst) })
		// In the midst of it, not before it or after: three victims for each burst.
		for k := range 3 {
			b.awaitAny(t, i+k*len(burst)/4, podTimeout)
			v := random.IntN(len(cluster.nodes) + 1)
			k := killing{container: "controller", pod: wovenPod(t, "woven-controller", "")}
			if v < len(cluster.nodes) {
				k = killing{container: "agent", pod: wovenPod(t, "woven-node", cluster.nodes[v].name)}
			}
			k.before = containerStatus(t, k.pod, k.container)
			require.NoError(t, unix.Kill(processOf(t, k.before), unix.SIGKILL))
			killed[k.container]++
			awaitReturn(t, k)
		}
		b.end()
		b.awaitRunning(t, time.Now(), 0, 2*podTimeout)
	}
	t.Logf("%d pods came to run within %s; %v were killed meanwhile", pods, time.Since(start).Round(time.Second), killed)
	assert.Zero(t, b.refused, "pods that the API server refused")
	awaitEmpty(t, ns)
	var more, less map[string][]string
	same := func() bool {
		after := everythingLeft(t)
		more, less = added(before, after), added(after, before)
		return len(more)+len(less) == 0
	}
	assert.Eventually(t, same, time.Minute, time.Second, "a minute after the pods are gone")
	assert.Empty(t, more, "left behind")
	assert.Empty(t, less, "lost")
	for _, kind := range slices.Sorted(maps.Keys(before)) {
		t.Logf("as before: %d %s", len(before[kind]), kind)
	}
}

// makeAll makes pods, ten at a time.
func (b *births) makeAll(t *testing.T, numbers []int) {
	var group errgroup.Group
	group.SetLimit(10)
	for _, i := range numbers {
		group.Go(func() error {
			b.make(t.Context(), i, false)
			return nil
		})
	}
	_ = group.Wait()
}

// awaitAny waits until more than so many pods have come to run.
func (b *births) awaitAny(t *testing.T, more int, timeout time.Duration) {
	t.Helper()
	overdue := time.After(timeout)
	for {
		b.mu.Lock()
		changed, running := b.changed, 0
		for _, life := range b.pods {
			if !life.running.IsZero() {
				running++
			}
		}
		b.mu.Unlock()
		if running > more {
			return
		}
		select {
		case <-changed:
		case <-overdue:
			require.Failf(t, "timeout", "%d pods run after %s, not more than %d", running, timeout, more)
		}
	}
}

// awaitEmpty waits until a namespace has no pods, after which nothing of them should be anywhere.
func awaitEmpty(t *testing.T, namespace string) {
	t.Helper()
	var left []string
	require.Eventuallyf(t, func() bool {
		list, err := cluster.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false
		}
		left = nil
		for i := range list.Items {
			left = append(left, list.Items[i].Name+": "+explain(&list.Items[i]))
		}
		return len(left) == 0
	}, 2*podTimeout, 200*time.Millisecond, "pods of %s that do not go: %v", namespace, &left)
}

// learned are the Southbound tables of what OVN learns from packets: it comes and goes with them.
var learned = []string{"MAC_Binding", "FDB", "Learned_Route", "Mac_Binding_Timestamp"}

// everythingLeft maps a kind of thing that pods bring to what there is of it, in the cluster and on all nodes.
func everythingLeft(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for row, n := range withoutGlobal(databaseContent(t, "northbound", "OVN_Northbound")) {
		for i := range n {
			all["Northbound rows"] = append(all["Northbound rows"], fmt.Sprint(row, i))
		}
	}
	for table, rows := range databaseRows(t, "southbound", "OVN_Southbound") {
		if slices.Contains(learned, table) {
			continue
		}
		for i := range rows {
			all["Southbound rows"] = append(all["Southbound rows"], fmt.Sprint(table, " ", i))
		}
	}
	for _, n := range cluster.nodes {
		for kind, names := range leftovers(t, n) {
			if kind == "logical ports" {
				continue // they are among the Northbound rows
			}
			for _, name := range names {
				all[kind] = append(all[kind], n.name+" "+name)
			}
		}
		for _, table := range []string{"Bridge", "Port", "Interface"} {
			for _, name := range strings.Fields(vsctl(t, n.name, "--bare", "--columns=name", "list", table)) {
				all["Open_vSwitch rows"] = append(all["Open_vSwitch rows"], n.name+" "+table+" "+name)
			}
		}
		for line := range strings.Lines(n.run(t, "ip", "rule")) {
			all["rules and routes"] = append(all["rules and routes"], n.name+" "+strings.TrimSpace(line))
		}
		for _, route := range routesOf(t, n) {
			all["rules and routes"] = append(all["rules and routes"], n.name+" "+route)
		}
	}
	return all
}

// databaseContent is a snapshot of a central database, as ovsdb-client dumps it.
func databaseContent(t *testing.T, container, database string) snapshot {
	t.Helper()
	rows := map[nbKey]nbRow{}
	for _, table := range dump(t, container, database) {
		for _, data := range table.Data {
			row, uuid := nbRow{}, ""
			for i, column := range table.Headings {
				switch {
				case column == "_uuid":
					var pair [2]string
					require.NoError(t, json.Unmarshal(data[i], &pair))
					uuid = pair[1]
				case !slices.Contains(ignored["*"], column) && !slices.Contains(ignored[table.name()], column):
					row[column] = data[i]
				}
			}
			rows[nbKey{table.name(), uuid}] = row
		}
	}
	return snapshotOf(rows)
}

// databaseRows maps a table to its number of rows.
func databaseRows(t *testing.T, container, database string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range dump(t, container, database) {
		counts[table.name()] = len(table.Data)
	}
	return counts
}

// dumped is a table as `ovsdb-client dump --format=json` prints it.
type dumped struct {
	Caption  string              `json:"caption"`
	Headings []string            `json:"headings"`
	Data     [][]json.RawMessage `json:"data"`
}

func (d dumped) name() string { return strings.TrimSuffix(d.Caption, " table") }

func dump(t *testing.T, container, database string) []dumped {
	t.Helper()
	pod := wovenPod(t, "woven-ovn-central", "")
	socket := "unix:/run/ovn/ovn" + map[string]string{"northbound": "nb", "southbound": "sb"}[container] + "_db.sock"
	text := execInContainer(t, pod, container, "ovsdb-client", "dump", "--format=json", socket, database)
	var all []dumped
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var table dumped
		require.NoError(t, d.Decode(&table))
		all = append(all, table)
	}
	return all
}
