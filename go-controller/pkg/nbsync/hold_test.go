package nbsync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// inGroup makes a pod a member of the port group that these tests use.
var inGroup = in("Port_Group", "pg", "ports")

func name(i int) string { return fmt.Sprint("default/w", i) }

func address(i int) string { return fmt.Sprint("10.244.1.", i) }

func TestNamesInExpressions(t *testing.T) {
	for expression, want := range map[string][]row.ID{
		"ip4 && tcp.dst == 80":                          nil,
		"outport == @pg.web && ip4.src == $as_4":        {id("Port_Group", "pg.web"), id("Address_Set", "as_4")},
		"ip4.src == {$a, $b} || ip6.src == $pg_web_ip6": {id("Address_Set", "a"), id("Address_Set", "b"), id("Port_Group", "pg_web")},
	} {
		require.Equal(t, want, namesIn(expression), expression)
	}
}

// A rule waits for the set that its match names, and comes in one transaction with it.
func TestARuleWaitsForTheSetThatItsMatchNames(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.sync(owner("policy/default/web"), portGroup("pg"), acl("pg", "in", "ip4.src == $as_peers"))
	require.Empty(t, w.find("ACL", "", ""))
	require.Equal(t, Waiting, w.engine.Status(owner("policy/default/web")).State)
	transactions, _ := w.operations(func() { w.sync(owner("peers/a"), addressSet("as_peers", "10.0.0.1")) })
	require.Equal(t, 1, transactions)
	require.Len(t, w.find("ACL", "", ""), 1)
}

// A set that no policy wants any more stays for as long as a rule in the database names it: the policy's next version
// waits, or is refused. It stays over a restart, too, when only the database says what the rule names.
func TestASetOutlivesTheRuleThatNamesIt(t *testing.T) {
	w := newWorld(t)
	w.want(owner("peers/a"), addressSet("as_a", "10.0.0.1"))
	w.want(owner("policy/default/web"), portGroup("pg"), acl("pg", "in", "ip4.src == $as_a"))
	w.start()
	w.want(owner("peers/a"))
	w.want(owner("policy/default/web"), portGroup("pg"), acl("pg", "in", "ip4.src == $as_b"))
	w.engine.Mark(owner("peers/a"), owner("policy/default/web"))
	w.settle()
	require.Equal(t, []string{"10.0.0.1"}, w.set("Address_Set", "as_a", "addresses"))
	s := w.engine.Status(owner("peers/a"))
	require.Equal(t, Waiting, s.State)
	require.Equal(t, []row.ID{id("ACL", "pg/in")}, s.Rows, "the status names the row that needs the set")

	w.stop()
	w.start()
	require.Equal(t, []string{"10.0.0.1"}, w.set("Address_Set", "as_a", "addresses"))

	transactions, _ := w.operations(func() { w.sync(owner("peers/b"), addressSet("as_b", "10.0.0.2")) })
	require.LessOrEqual(t, transactions, 2)
	require.Empty(t, w.find("Address_Set", "name", "as_a"))
	require.Empty(t, w.engine.Statuses())
}

// A set that goes takes its elements along: not one of its members is touched for that.
func TestASetThatGoesIsOneOperation(t *testing.T) {
	w := newWorld(t)
	const pods = 30
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	set := func(member bool) (owners []row.Owner) {
		for i := range pods {
			p := pod(name(i), "worker-1", address(i))
			if member {
				p = pod(name(i), "worker-1", address(i), value("Address_Set", "as", "addresses", address(i)), inGroup)
			}
			o := owner("pod/" + name(i))
			w.want(o, p)
			owners = append(owners, o)
		}
		return append(owners, owner("policy/default/web"))
	}
	set(true)
	w.want(owner("policy/default/web"), portGroup("pg"), addressSet("as"))
	w.start()
	require.Len(t, w.set("Port_Group", "pg", "ports"), pods)
	owners := set(false)
	w.want(owner("policy/default/web"))
	transactions, operations := w.operations(func() {
		w.engine.Mark(owners...)
		w.settle()
	})
	require.Equal(t, 1, transactions)
	require.Equal(t, 2, operations)
	require.Empty(t, w.find("Port_Group", "", ""))
}

// Owners that want to be in a set that is made are in it from the beginning, however many they are and however small a
// batch is.
func TestASetAppearsWhole(t *testing.T) {
	w := newWorld(t)
	w.batchRows, w.chunk = 3, 2
	const pods = 40
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	for i := range pods {
		w.want(owner("pod/"+name(i)), pod(name(i), "worker-1", address(i)))
	}
	w.start()
	owners := []row.Owner{owner("policy/default/web")}
	for i := range pods {
		o := owner("pod/" + name(i))
		w.want(o, pod(name(i), "worker-1", address(i), inGroup))
		owners = append(owners, o)
	}
	w.want(owner("policy/default/web"), portGroup("pg"), acl("pg", "in", "ip4"))
	transactions, _ := w.operations(func() {
		w.engine.Mark(owners...)
		w.settle()
	})
	require.Equal(t, 1, transactions)
	require.Len(t, w.set("Port_Group", "pg", "ports"), pods)
}

// One pod's port is refused; the set that the pod should be in comes all the same, with all others.
func TestARefusedMemberDoesNotKeepASetFromAppearing(t *testing.T) {
	w := newWorld(t)
	const pods = 5
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	for i := range pods {
		w.want(owner("pod/"+name(i)), pod(name(i), "worker-1", address(i)))
	}
	w.start()
	owners := []row.Owner{owner("policy/default/web")}
	for i := range pods {
		p := pod(name(i), "worker-1", address(i), inGroup)
		if i == 2 {
			p.Model.(*nb.LogicalSwitchPort).TagRequest = ref(5000)
		}
		w.want(owner("pod/"+name(i)), p)
		owners = append(owners, owner("pod/"+name(i)))
	}
	w.want(owner("policy/default/web"), portGroup("pg"))
	transactions, _ := w.operations(func() {
		w.engine.Mark(owners...)
		w.settle()
	})
	require.Len(t, w.set("Port_Group", "pg", "ports"), pods-1)
	require.LessOrEqual(t, transactions, 2, "the answer says which operation was at fault")
	require.Equal(t, Refused, w.engine.Status(owner("pod/"+name(2))).State)
}
