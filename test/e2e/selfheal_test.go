//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// healTimeout is how long a row of Woven's that was deleted or changed by hand may stay so.
const healTimeout = 2 * time.Second

// testSelfHeal deletes, by ovn-nbctl, every row of one node, of the cluster, of a pod and of a Service, one at a time,
// and changes a column in a row of every table. Each time the database must say within two seconds what it said
// before, as an independent monitor sees it.
func testSelfHeal(t *testing.T) {
	ns := newNamespace(t)
	victim := workers()[0]
	pods := run(t, ns, netexec("healed", victim.name), netexec("peer", workers()[1].name))
	service := newService(t, ns, "healed", map[string]string{"app": "healed"}, httpPort, udpPort)
	to := netip.AddrPortFrom(addresses(t, pods[0])[0], httpPort)
	from := podPlace(t, pods[1])
	vip := netip.AddrPortFrom(clusterIPs(t, service)[0], 80)
	anyAnswer := func(answer) bool { return true }
	askUntil(t, from, "tcp", vip, serviceTimeout, anyAnswer)

	m := watchNorthbound(t)
	owners := []string{"cluster", "node/" + victim.name, "pod/" + ns + "/healed", "service/" + ns + "/healed"}
	var times []healing
	for _, k := range rowsOf(m, owners, victim) {
		times = append(times, heal(t, m, "deleted "+k.what, k.deletion(m)))
	}
	t.Run("columns", func(t *testing.T) {
		for _, change := range columnChanges(t, m, owners, victim) {
			times = append(times, heal(t, m, "changed "+change[0], func() []string { return change[1:] }))
		}
	})
	report(t, times)

	// What the rows stand for works as well.
	_, asked := askUntil(t, from, "tcp", to, 20*time.Second, anyAnswer)
	_, askedVIP := askUntil(t, from, "tcp", vip, 20*time.Second, anyAnswer)
	t.Logf("afterwards the pod answered question %d, the Service question %d", asked, askedVIP)
}

// target is a row to delete. It is named by what it says, for its UUID changes when it comes back.
type target struct {
	table, name, owner string
	what               string
}

// rowsOf lists the rows of the owners. Static_MAC_Binding has no external_ids, so its rows are told by their port.
func rowsOf(m *nbMonitor, owners []string, victim node) []target {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []target
	for k, r := range m.rows {
		ours := slices.Contains(owners, r.owner())
		if k.table == "Static_MAC_Binding" {
			ours = strings.HasPrefix(text(r["logical_port"]), "gw-"+victim.name)
		}
		if ours {
			name := rowName(k.table, r)
			all = append(all, target{k.table, name, r.owner(), k.table + " " + name})
		}
	}
	slices.SortFunc(all, func(a, b target) int { return cmp.Compare(a.what, b.what) })
	return all
}

func rowName(table string, r nbRow) string {
	if table == "Static_MAC_Binding" {
		return text(r["logical_port"]) + " " + text(r["ip"])
	}
	return r.name()
}

func text(value json.RawMessage) string {
	var s string
	_ = json.Unmarshal(value, &s) // what is no text is none
	return s
}

func (m *nbMonitor) find(table, name string) (nbKey, nbRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, r := range m.rows {
		if k.table == table && rowName(table, r) == name {
			return k, r
		}
	}
	return nbKey{}, nil
}

// deletion returns the arguments of ovn-nbctl that delete the row: a row that another holds goes with its place there.
func (k target) deletion(m *nbMonitor) func() []string {
	return func() []string {
		key, _ := m.find(k.table, k.name)
		m.mu.Lock()
		defer m.mu.Unlock()
		for parent, r := range m.rows {
			for _, column := range []string{"ports", "nat", "static_routes", "policies"} {
				if strings.Contains(string(r[column]), key.uuid) {
					return []string{"remove", parent.table, parent.uuid, column, key.uuid}
				}
			}
		}
		return []string{"destroy", key.table, key.uuid}
	}
}

// healing is one act and how long it took until it was undone.
type healing struct {
	what string
	took time.Duration
}

// heal acts and waits until the database says again what it said before. The time is taken from the monitor's own
// clock, from the change that the act made to the last change that undid it.
func heal(t *testing.T, m *nbMonitor, what string, act func() []string) healing {
	t.Helper()
	before := m.snapshot()
	n := m.count()
	args := act()
	nbctl(t, args...)
	// ovsdb-server tells a monitor of what differs since it told last. An act that Woven undid before that is never
	// told; the fence then shows that the monitor knows all there was.
	if !m.until(t, 2*time.Second, func(map[nbKey]nbRow) bool { return len(m.changes) > n }) {
		m.fence(t)
	}
	// The deadline is generous here and exact below: what counts is the database's clock, not this process's.
	healed := m.until(t, 5*healTimeout, func(rows map[nbKey]nbRow) bool { return snapshotOf(rows).equal(before) })
	if !healed {
		after := m.snapshot()
		t.Errorf("%s (ovn-nbctl %s): after %s the database lacks\n%s\nand has instead\n%s", what, strings.Join(args, " "), 5*healTimeout,
			strings.Join(before.minus(after), "\n"), strings.Join(after.minus(before), "\n"))
		return healing{what, 5 * healTimeout}
	}
	changes := m.since(n)
	if len(changes) == 0 {
		return healing{what + " (before the monitor was told)", 0}
	}
	took := changes[len(changes)-1].at.Sub(changes[0].at)
	assert.LessOrEqualf(t, took, healTimeout, "%s (ovn-nbctl %s) was undone late", what, strings.Join(args, " "))
	return healing{what, took}
}

func report(t *testing.T, times []healing) {
	t.Helper()
	require.NotEmpty(t, times, "there was nothing to delete")
	slices.SortFunc(times, func(a, b healing) int { return cmp.Compare(b.took, a.took) })
	var lines strings.Builder
	for _, h := range times {
		fmt.Fprintf(&lines, "\n%8s %s", h.took, h.what)
	}
	t.Logf("%d acts were undone, the slowest after %s:%s", len(times), times[0].took, lines.String())
}

// columnChanges are acts of an administrator who knows better: a name and the arguments of ovn-nbctl each.
func columnChanges(t *testing.T, m *nbMonitor, owners []string, victim node) [][]string {
	t.Helper()
	edits := map[string][]string{
		"Logical_Switch_Port":         {"set", `addresses="0a:58:00:00:00:99 192.0.2.99"`},
		"Logical_Router_Port":         {"set", "networks=192.0.2.1/24"},
		"NAT":                         {"set", "external_ip=192.0.2.1"},
		"Logical_Router_Static_Route": {"set", "nexthop=192.0.2.1"},
		"Logical_Router_Policy":       {"set", "priority=7"},
		"Load_Balancer":               {"clear", "vips"},
		"Logical_Router":              {"clear", "load_balancer_group"},
		"Logical_Switch":              {"clear", "load_balancer_group"},
		"Static_MAC_Binding":          {"set", `mac="0a:58:00:00:00:99"`},
		"Address_Set":                 {"clear", "addresses"},
		"Copp":                        {"clear", "meters"},
		"Meter":                       {"set", "unit=kbps"},
		"Meter_Band":                  {"set", "rate=7"},
	}
	var changes [][]string
	seen := map[string]bool{}
	for _, k := range rowsOf(m, owners, victim) {
		edit, ok := edits[k.table]
		_, r := m.find(k.table, k.name)
		if !ok || seen[k.table] || r == nil {
			continue
		}
		column, _, _ := strings.Cut(edit[1], "=")
		if empty(r[column]) {
			continue
		}
		seen[k.table] = true
		key, _ := m.find(k.table, k.name)
		changes = append(changes, []string{k.what + " " + edit[1], edit[0], k.table, key.uuid, edit[1]})
	}
	require.Lenf(t, changes, len(edits), "a row of every table to change; there are only %v", changes)
	return changes
}

func empty(value json.RawMessage) bool {
	return len(value) == 0 || string(value) == `["set",[]]` || string(value) == `["map",[]]`
}
