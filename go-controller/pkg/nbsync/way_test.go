package nbsync

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// TestWhatIsSeenOnTheWay changes pods and policies at random, one object at a time as users do, while an observer looks
// at the database after every transaction. Batches are tiny, so nearly every change is split among several transactions.
//
// Pods have a color. A policy selects pods by color (its subject) and allows other pods to reach them by color (its
// peers). Policies come in two forms: of some, rules are rows that are named by what they allow; of the others, one
// rule is edited in place.
func TestWhatIsSeenOnTheWay(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := &way{world: newWorld(t), Rand: rand.New(rand.NewPCG(seed, 1)), ports: map[string]*versions[podWish]{}, policies: map[string]*versions[policyWish]{}}
			w.batchRows, w.chunk = 1+w.IntN(4), 1+w.IntN(6)
			tables := map[string][]string{
				"Logical_Switch_Port": {"name", "addresses"}, "Port_Group": {"name", "ports", "acls"},
				"Address_Set": {"name", "addresses"}, "ACL": {"match", "action"},
			}
			observer := observe(t, w.server.Remote, tables, w.check)
			w.after = observer.flush
			w.group(func() {
				for range 6 {
					w.change()
				}
			})
			w.start()
			for range 10 {
				for range 1 + w.IntN(5) {
					w.group(func() { w.change() })
				}
				restart, audit := w.chance(15), w.chance(15)
				w.forgets(restart || audit)
				if restart {
					w.stop()
					w.start()
				} else if audit {
					_, err := w.engine.Audit(t.Context())
					require.NoError(t, err)
				}
				w.settle()
				w.rest()
			}
			require.Positive(t, w.checked, "the observer saw transactions")
		})
	}
}

const (
	wayPods     = 12
	wayPolicies = 4
	wayColors   = "abc"
)

// podWish is a pod: its color, and a fault that keeps it from being carried out.
type podWish struct{ color, fault string }

// policyWish is a policy: the colors it selects and those it lets in. An empty subject means that there is no policy.
type policyWish struct{ subject, peers string }

// versions are those that one object has had since the database was last known to show a single one.
type versions[T comparable] struct{ since []T }

func (v *versions[T]) now() T { return v.since[len(v.since)-1] }

func (v *versions[T]) add(next T) {
	if next != v.now() {
		v.since = append(v.since, next)
	}
}

type way struct {
	*world
	*rand.Rand
	// ports maps a pod's name to its versions; policies does the same for policies. world.mu guards both.
	ports    map[string]*versions[podWish]
	policies map[string]*versions[policyWish]
	// failed says that a check has failed; checked counts the transactions that were looked at.
	failed bool
	// restarted says that the engine has forgotten what it knew since the last rest.
	restarted bool
	checked   int
	// trace is what happened, for the message of a failure.
	trace []string
}

func (w *way) chance(percent int) bool { return w.IntN(100) < percent }

func (w *way) colors() string {
	out := ""
	for _, c := range wayColors {
		if w.chance(55) {
			out += string(c)
		}
	}
	return out
}

// change edits one object.
func (w *way) change() {
	if w.chance(60) {
		name := fmt.Sprint("w", w.IntN(wayPods))
		if w.ports[name] == nil {
			w.ports[name] = &versions[podWish]{since: []podWish{{}}}
		}
		next := podWish{color: string(wayColors[w.IntN(len(wayColors))])}
		switch {
		case w.chance(12):
			next = podWish{}
		case w.chance(10):
			next.fault = "refused"
		case w.chance(10):
			next.fault = "waits"
		}
		w.ports[name].add(next)
		return
	}
	name := fmt.Sprint("p", w.IntN(wayPolicies))
	if w.policies[name] == nil {
		w.policies[name] = &versions[policyWish]{since: []policyWish{{}}}
	}
	next := w.policies[name].now()
	switch {
	case w.chance(15):
		next = policyWish{}
	case next.subject == "" || w.chance(40):
		next = policyWish{subject: w.colors(), peers: next.peers}
	default:
		next.peers = w.colors()
	}
	w.policies[name].add(next)
}

// group lets f change objects, and marks every owner whose rows differ then, in one step: no translation sees a part of it.
func (w *way) group(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	next := w.wishes()
	var changed []row.Owner
	for o := range w.rows {
		if _, ok := next[o]; !ok {
			changed = append(changed, o)
		}
	}
	for o, rows := range next {
		if fmt.Sprint(texts(rows)) != fmt.Sprint(texts(w.rows[o])) {
			changed = append(changed, o)
		}
	}
	w.rows = next
	w.trace = append(w.trace, fmt.Sprintf("wishes: %s, marked %v", w.objects(), changed))
	// What users change comes in any order.
	w.Shuffle(len(changed), func(i, j int) { changed[i], changed[j] = changed[j], changed[i] })
	if w.engine != nil {
		w.engine.Mark(changed...)
	}
}

func (w *way) objects() string {
	out := ""
	for _, name := range slices.Sorted(maps.Keys(w.ports)) {
		out += fmt.Sprintf(" %s=%v", name, w.ports[name].now())
	}
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		out += fmt.Sprintf(" %s=%v", name, w.policies[name].now())
	}
	return out
}

func texts(rows []row.Row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%v %+v %v", r.ID, r.Model, r.In))
	}
	return out
}

func matches(colors, color string) bool { return color != "" && strings.Contains(colors, color) }

func ruleName(name string, p policyWish) string {
	if inPlace(name) {
		return "pg_" + name
	}
	return "pg_" + p.subject + "_" + p.peers
}

// inPlace says that a policy's one rule is edited in place.
func inPlace(policy string) bool { return (policy[1]-'0')%2 == 1 }

// wishes translates all objects as they are now.
func (w *way) wishes() map[row.Owner][]row.Row {
	out := map[row.Owner][]row.Row{
		owner("cluster"):       {portGroup("isolated"), deny("isolated")},
		owner("node/worker-1"): {logicalSwitch("worker-1")},
	}
	for name, v := range w.policies {
		p := v.now()
		if p.subject == "" {
			continue
		}
		group := ruleName(name, p)
		rule := owner("rule/" + group)
		out[rule] = []row.Row{portGroup(group), acl(group, "in", fmt.Sprintf("outport == @%s && ip4.src == $as_%s", group, p.peers))}
		out[owner("peers/"+p.peers)] = []row.Row{addressSet("as_" + p.peers)}
	}
	for name, v := range w.ports {
		if p := v.now(); p.color != "" {
			out[owner("pod/default/"+name)] = []row.Row{w.port(name, p)}
		}
	}
	return out
}

func deny(group string) row.Row {
	r := acl(group, "deny", "outport == @"+group)
	r.Model.(*nb.ACL).Action = nb.ACLActionDrop
	return r
}

func (w *way) port(name string, p podWish) row.Row {
	sw := "worker-1"
	if p.fault == "waits" {
		sw = "worker-9"
	}
	r := pod("default/"+name, sw, addressOf(name), w.memberships(name, p)...)
	if p.fault == "refused" {
		// The server allows tags up to 4095.
		r.Model.(*nb.LogicalSwitchPort).TagRequest = ref(5000)
	}
	return r
}

func addressOf(name string) string { return "10.244.1." + name[1:] }

// memberships returns the sets of a pod under the policies as they are now.
func (w *way) memberships(name string, p podWish) []row.Membership {
	var out []row.Membership
	add := func(m row.Membership) {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(w.policies)) {
		q := w.policies[policy].now()
		if matches(q.subject, p.color) {
			add(in("Port_Group", "isolated", "ports"))
			add(in("Port_Group", ruleName(policy, q), "ports"))
		}
		if q.subject != "" && matches(q.peers, p.color) {
			add(value("Address_Set", "as_"+q.peers, "addresses", addressOf(name)))
		}
	}
	return out
}

// forgets notes that the engine is about to forget what it knows.
func (w *way) forgets(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restarted = w.restarted || yes
	if yes {
		w.trace = append(w.trace, "restart or audit")
	}
}

// rest forgets old versions when the engine has nothing to do. Of a pod that cannot be carried out the old ones still
// count: the database may show them.
func (w *way) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restarted = false
	w.trace = append(w.trace, "rest")
	for name, v := range w.ports {
		if s := w.engine.Status(owner("pod/default/" + name)); v.now().fault == "" && s.State != InSync {
			w.t.Errorf("pod %s is not in sync when the engine rests: %+v", name, s)
		}
	}
	for _, v := range w.ports {
		if v.now().fault == "" {
			v.since = v.since[len(v.since)-1:]
		}
	}
	for _, v := range w.policies {
		v.since = v.since[len(v.since)-1:]
	}
}
