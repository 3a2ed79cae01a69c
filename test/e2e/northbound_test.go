//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const northboundSocket = "unix:/run/ovn/ovnnb_db.sock"

// nbctl runs ovn-nbctl beside the northbound database, as an administrator would.
func nbctl(t *testing.T, args ...string) string {
	t.Helper()
	pod := wovenPod(t, "woven-ovn-central", "")
	return execInContainer(t, pod, "northbound", append([]string{"ovn-nbctl", "--db=" + northboundSocket}, args...)...)
}

// nbShell runs a shell script beside the northbound database. It also works while the test is being cleaned up.
func nbShell(t *testing.T, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := cluster.client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=woven-ovn-central"})
	if err != nil || len(list.Items) == 0 {
		t.Errorf("no pod of woven-ovn-central to run %s in: %v", script, err)
		return
	}
	var out bytes.Buffer
	if err := execute(ctx, &list.Items[0], "northbound", &out, &out, "sh", "-ec", script); err != nil {
		t.Errorf("%s: %v: %s", script, err, out.String())
	}
}

// nbRow is a row of the northbound database: it maps a column to its value as JSON has it (RFC 7047, 5.1). Columns
// that OVN itself writes are left out.
type nbRow map[string]json.RawMessage

// nbKey names a row: its table and UUID.
type nbKey struct{ table, uuid string }

// nbChange is one change of one row.
type nbChange struct {
	nbKey
	// action is "insert", "delete" or "modify".
	action string
	// columns are those that were modified.
	columns []string
	// row is the row after the change, or what it was before it was deleted.
	row nbRow
	at  time.Time
}

func (c nbChange) String() string {
	return fmt.Sprintf("%s %s %s %s %s", c.at.Format("15:04:05.000"), c.action, c.table, c.row.name(), strings.Join(c.columns, ","))
}

// ignored are columns that northd or the database itself writes, a table or * each.
var ignored = map[string][]string{
	"*":                   {"_version"},
	"Logical_Switch_Port": {"up", "dynamic_addresses", "tag"},
	"Logical_Router_Port": {"status", "ipv6_prefix"},
}

// nbMonitor follows the northbound database with ovsdb-client, which knows nothing of Woven.
type nbMonitor struct {
	mu sync.Mutex
	// rows is the database as it is.
	rows map[nbKey]nbRow
	// changes are all changes in the order in which they came.
	changes []nbChange
	// changed is closed and replaced at each change.
	changed chan struct{}
	failed  error
}

// watchNorthbound begins to follow the database until the test ends, and returns once it has all rows.
func watchNorthbound(t *testing.T) *nbMonitor {
	t.Helper()
	pod := wovenPod(t, "woven-ovn-central", "")
	m := &nbMonitor{rows: map[nbKey]nbRow{}, changed: make(chan struct{})}
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() { in.CloseWithError(m.stream(ctx, pod, in)) }()
	go m.read(out)
	// The initial rows come as a line for each table; NB_Global has one row and its table is the last but some.
	// A marker that goes through the same stream tells that all are there.
	m.fence(t)
	return m
}

func (m *nbMonitor) stream(ctx context.Context, pod *corev1.Pod, out io.Writer) error {
	var errs bytes.Buffer
	err := execute(ctx, pod, "northbound", out, &errs, "timeout", "600", "ovsdb-client", "monitor", "--format=json", "--timestamp",
		northboundSocket, "OVN_Northbound", "ALL")
	return fmt.Errorf("ovsdb-client monitor ended: %w: %s", err, errs.String())
}

// fence changes a foreign row and waits until the change has come through: everything before it has come then too.
func (m *nbMonitor) fence(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("e2e-fence-%d", time.Now().UnixNano())
	nbctl(t, "create", "DNS", "external_ids:e2e="+name)
	var key nbKey
	m.await(t, "the fence "+name, 30*time.Second, func(rows map[nbKey]nbRow) bool {
		for k, r := range rows {
			if k.table == "DNS" && strings.Contains(string(r["external_ids"]), name) {
				key = k
				return true
			}
		}
		return false
	})
	nbctl(t, "destroy", "DNS", key.uuid)
	m.await(t, "the end of the fence "+name, 30*time.Second, func(rows map[nbKey]nbRow) bool { return rows[key] == nil })
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes = slices.DeleteFunc(m.changes, func(c nbChange) bool { return c.nbKey == key })
}

// update is a line of `ovsdb-client monitor --format=json --timestamp`. A modified row takes two entries: "old" with
// the former values of the columns that changed and null in the others, and "new" without the UUID.
type update struct {
	Table    string              `json:"caption"`
	Headings []string            `json:"headings"`
	Data     [][]json.RawMessage `json:"data"`
	Time     string              `json:"time"`
}

func (m *nbMonitor) read(out io.Reader) {
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err == nil {
			err = m.apply(line)
		}
		m.mu.Lock()
		m.failed = err
		close(m.changed)
		m.changed = make(chan struct{})
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (m *nbMonitor) apply(line []byte) error {
	var u update
	if err := json.Unmarshal(line, &u); err != nil {
		return fmt.Errorf("%w: %s", err, line)
	}
	at, err := time.Parse("2006-01-02 15:04:05.000", u.Time)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var uuid string
	var columns []string
	for _, data := range u.Data {
		var action string
		if err := json.Unmarshal(data[1], &action); err != nil {
			return err
		}
		if action != "new" {
			if err := json.Unmarshal(data[0], &uuid); err != nil {
				return err
			}
			columns = nil
		}
		row := nbRow{}
		for i, column := range u.Headings[2:] {
			if slices.Contains(ignored["*"], column) || slices.Contains(ignored[u.Table], column) {
				continue
			}
			value := data[i+2]
			if action == "old" {
				if string(value) != "null" {
					columns = append(columns, column)
				}
				continue
			}
			row[column] = value
		}
		key := nbKey{u.Table, uuid}
		switch action {
		case "initial":
			m.rows[key] = row
		case "insert":
			m.rows[key] = row
			m.changes = append(m.changes, nbChange{nbKey: key, action: action, row: row, at: at})
		case "delete":
			delete(m.rows, key)
			m.changes = append(m.changes, nbChange{nbKey: key, action: action, row: row, at: at})
		case "new":
			m.rows[key] = row
			if len(columns) > 0 {
				m.changes = append(m.changes, nbChange{nbKey: key, action: "modify", columns: columns, row: row, at: at})
			}
		}
	}
	return nil
}

// await waits until the condition holds for the database, or fails the test. The condition is called with the monitor's
// mutex held.
func (m *nbMonitor) await(t *testing.T, what string, timeout time.Duration, holds func(map[nbKey]nbRow) bool) {
	t.Helper()
	if !m.until(t, timeout, holds) {
		require.Failf(t, "timeout", "%s did not come within %s; the last changes:\n%s", what, timeout, m.tail(15))
	}
}

// until is await for who wants to say himself what is wrong: it returns whether the condition came to hold.
func (m *nbMonitor) until(t *testing.T, timeout time.Duration, holds func(map[nbKey]nbRow) bool) bool {
	t.Helper()
	overdue := time.After(timeout)
	for {
		m.mu.Lock()
		ok, failed, changed := holds(m.rows), m.failed, m.changed
		m.mu.Unlock()
		if ok {
			return true
		}
		require.NoError(t, failed, "the monitor of the northbound database")
		select {
		case <-changed:
		case <-overdue:
			return false
		}
	}
}

// tail describes the last changes.
func (m *nbMonitor) tail(n int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text strings.Builder
	for _, c := range m.changes[max(0, len(m.changes)-n):] {
		fmt.Fprintln(&text, c)
	}
	return text.String()
}

// since returns the changes after the first n, and count how many there are.
func (m *nbMonitor) since(n int) []nbChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.changes[n:])
}

func (m *nbMonitor) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.changes)
}

// snapshot is the database as a set of texts, a row each, without UUIDs: references are written as the names of the
// rows. Two databases that say the same have the same snapshot.
type snapshot map[string]int

func (m *nbMonitor) snapshot() snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return snapshotOf(m.rows)
}

func snapshotOf(rows map[nbKey]nbRow) snapshot {
	var names []string
	for k, r := range rows {
		names = append(names, k.uuid, k.table+":"+r.name())
	}
	replacer := strings.NewReplacer(names...)
	s := snapshot{}
	for k, r := range rows {
		var text strings.Builder
		text.WriteString(k.table)
		for _, column := range slices.Sorted(maps.Keys(r)) {
			value := replacer.Replace(string(r[column]))
			if value == `["set",[]]` || value == `["map",[]]` {
				continue
			}
			fmt.Fprintf(&text, " %s=%s", column, sorted(value))
		}
		s[text.String()]++
	}
	return s
}

// sorted puts the elements of a set or map into order: the database gives sets of references in the order of their
// UUIDs, which a row that was made anew changes.
func sorted(value string) string {
	var outer []json.RawMessage
	if json.Unmarshal([]byte(value), &outer) != nil || len(outer) != 2 {
		return value
	}
	var elements []json.RawMessage
	if json.Unmarshal(outer[1], &elements) != nil {
		return value
	}
	slices.SortFunc(elements, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	text, err := json.Marshal([]any{outer[0], elements})
	if err != nil {
		return value
	}
	return string(text)
}

// minus are the rows that the other snapshot lacks.
func (s snapshot) minus(other snapshot) []string {
	var more []string
	for text, n := range s {
		if other[text] < n {
			more = append(more, text)
		}
	}
	slices.Sort(more)
	return more
}

func (s snapshot) equal(other snapshot) bool { return maps.Equal(s, other) }

// name is the row's name column, else what Woven calls it, else its external_ids.
func (r nbRow) name() string {
	var name string
	if json.Unmarshal(r["name"], &name) == nil && name != "" {
		return name
	}
	ids := r.externalIDs()
	if ids[nameKey] != "" {
		return ids[ownerKey] + " " + ids[nameKey]
	}
	return sorted(string(r["external_ids"]))
}

// Keys of the external_ids with which Woven marks its rows.
const ownerKey, nameKey = "woven.network/owner", "woven.network/name"

// owner is whose row it is; empty for a row that is not Woven's.
func (r nbRow) owner() string { return r.externalIDs()[ownerKey] }

func (r nbRow) externalIDs() map[string]string {
	var outer []json.RawMessage
	ids := map[string]string{}
	if json.Unmarshal(r["external_ids"], &outer) != nil || len(outer) != 2 {
		return ids
	}
	var pairs [][2]string
	_ = json.Unmarshal(outer[1], &pairs) // anything else has no pairs
	for _, p := range pairs {
		ids[p[0]] = p[1]
	}
	return ids
}
