package nbsync

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// An owner whose row refers to another owner's waits for it without a word, holds up nobody, and comes as soon as it is
// there.
func TestAnOwnerWaitsForTheRowsItNeeds(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.sync(owner("pod/default/early"), pod("default/early", "worker-9", "10.244.9.5"))
	w.sync(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5"))
	require.Empty(t, w.find("Logical_Switch_Port", "name", "default/early"))
	w.uuid("Logical_Switch_Port", "default/web-0")

	asked := w.asked[owner("pod/default/early")]
	w.sync(owner("node/worker-1"), logicalSwitch("worker-1"))
	require.Equal(t, asked, w.asked[owner("pod/default/early")], "it is not tried in vain")

	_, err := w.engine.Plan(t.Context())
	require.EqualError(t, err, "pod/default/early waits for Logical_Switch/worker-9")

	w.sync(owner("node/worker-9"), logicalSwitch("worker-9"))
	w.uuid("Logical_Switch_Port", "default/early")
	require.Empty(t, w.logged())
}

// Who needs the rows of an owner that waits, waits too, wherever it stands in the batch.
func TestWaitingIsPassedOn(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.start()
	group := portGroup("pg")
	group.In = []row.Membership{value("Logical_Switch", "worker-9", "acls", row.Ref("ACL", "pg/in"))}
	w.want(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5", in("Port_Group", "pg", "ports")))
	w.want(owner("policy/default/web"), group, acl("pg", "in", "ip4"))
	w.engine.Mark(owner("pod/default/web-0"), owner("policy/default/web"))
	w.settle()
	require.Empty(t, w.find("Port_Group", "", ""))
	require.Empty(t, w.find("Logical_Switch_Port", "", ""))
	w.sync(owner("node/worker-9"), logicalSwitch("worker-9"))
	require.Len(t, w.set("Port_Group", "pg", "ports"), 1)
	require.Len(t, w.set("Logical_Switch", "worker-9", "acls"), 1)
}

// A row that is there but that nobody wants any more is not there for those who refer to it.
func TestARowThatGoesIsNotReferredTo(t *testing.T) {
	w := newWorld(t)
	w.want(owner("cluster"), loadBalancerGroup("woven-a"))
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.start()
	w.want(owner("cluster"))
	sw := logicalSwitch("worker-1")
	sw.Model.(*nb.LogicalSwitch).LoadBalancerGroup = []string{row.Ref("Load_Balancer_Group", "woven-a")}
	w.want(owner("node/worker-1"), sw)
	w.engine.Mark(owner("node/worker-1"), owner("cluster"))
	w.settle()
	require.Empty(t, w.find("Load_Balancer_Group", "", ""))
	require.Empty(t, w.logged())
	require.Zero(t, w.metricOf("woven_nbsync_transactions_total", "refused"))
	w.sync(owner("cluster"), loadBalancerGroup("woven-a"))
	require.Len(t, w.set("Logical_Switch", "worker-1", "load_balancer_group"), 1)
}

// A pod is not in a set before its port is there, also when the set is made meanwhile.
func TestAWaitingOwnerIsInNoSet(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5", value("Address_Set", "as", "addresses", "10.244.1.5")))
	w.sync(owner("policy/default/web"), addressSet("as"))
	require.Empty(t, w.set("Address_Set", "as", "addresses"))
	w.sync(owner("node/worker-1"), logicalSwitch("worker-1"))
	require.Equal(t, []string{"10.244.1.5"}, w.set("Address_Set", "as", "addresses"))
}

// Two owners that refer to each other come in one transaction, whichever is marked last.
func TestOwnersThatNeedEachOther(t *testing.T) {
	w := newWorld(t)
	w.start()
	a, b := portGroup("a"), portGroup("b")
	a.In = []row.Membership{value("Port_Group", "b", "acls", row.Ref("ACL", "b/in"))}
	w.sync(owner("policy/default/a"), a, row.Row{ID: id("ACL", "b/in"), Model: &nb.ACL{Direction: nb.ACLDirectionToLport, Action: nb.ACLActionDrop, Match: "ip"},
		In: []row.Membership{in("Port_Group", "b", "acls")}})
	require.Empty(t, w.find("Port_Group", "", ""))
	transactions, _ := w.operations(func() {
		w.sync(owner("policy/default/b"), b, acl("a", "in", "ip4"))
	})
	require.Equal(t, 1, transactions)
	require.Len(t, w.set("Port_Group", "a", "acls"), 1)
	require.Len(t, w.set("Port_Group", "b", "acls"), 1)
}

// A meter without a band is refused, so both must come in one insert each, with the reference in the column.
func TestARowIsMadeWithTheRowsItHolds(t *testing.T) {
	w := newWorld(t)
	w.start()
	meter := func(bands ...string) []row.Row {
		m := &nb.Meter{Name: "acl-log", Unit: nb.MeterUnitPktps}
		rows := []row.Row{{ID: id("Meter", "acl-log"), Model: m}}
		for i, name := range bands {
			m.Bands = append(m.Bands, row.Ref("Meter_Band", name))
			rows = append(rows, row.Row{ID: id("Meter_Band", name), Model: &nb.MeterBand{Action: nb.MeterBandActionDrop, Rate: i + 10}})
		}
		return rows
	}
	w.sync(owner("cluster"), meter("slow", "fast")...)
	require.Len(t, w.set("Meter", "acl-log", "bands"), 2)
	require.Empty(t, w.logged())
	slow := w.uuid("Meter_Band", "slow")
	w.sync(owner("cluster"), meter("slow", "other")...)
	require.Equal(t, slow, w.uuid("Meter_Band", "slow"))
	w.uuid("Meter_Band", "other")
	require.Empty(t, w.find("Meter_Band", "external_ids", "fast"))
	w.sync(owner("cluster"))
	require.Empty(t, w.find("Meter", "", ""))
	require.Empty(t, w.find("Meter_Band", "", ""))
}

// One owner's row is refused by the server. All others of its batch get theirs.
func TestAPoisonedOwnerHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	const pods, poisoned = 100, 37
	for i := range pods {
		p := pod(fmt.Sprintf("default/web-%d", i), "worker-1", fmt.Sprintf("10.244.1.%d", i+2))
		if i == poisoned {
			// The server allows tags up to 4095.
			p.Model.(*nb.LogicalSwitchPort).TagRequest = ref(5000)
		}
		w.want(owner(fmt.Sprintf("pod/default/web-%d", i)), p)
	}
	w.start()
	require.Len(t, w.set("Logical_Switch", "worker-1", "ports"), pods-1)
	require.Len(t, w.logged(), 1)
	require.Contains(t, w.logged()[0], `"owner"="pod/default/web-37"`)
	require.Contains(t, w.logged()[0], "constraint violation")

	before := w.versions()
	w.engine.MarkAll()
	w.settle()
	require.Equal(t, before, w.versions())
	require.Len(t, w.logged(), 1, "the same failure is logged once")

	w.sync(owner("pod/default/web-37"), pod("default/web-37", "worker-1", "10.244.1.39"))
	require.Len(t, w.set("Logical_Switch", "worker-1", "ports"), pods)
}

// A translator's mistakes are told with the row, before the server sees them.
func TestMistakesOfTranslatorsAreTold(t *testing.T) {
	w := newWorld(t)
	w.want(owner("node/worker-1"), logicalSwitch("worker-1"))
	w.start()
	lonely := pod("default/a", "worker-1", "10.244.1.5")
	lonely.In = nil
	weak := pod("default/a", "worker-1", "10.244.1.5")
	weak.In = []row.Membership{in("Port_Group", "pg", "ports")}
	for want, r := range map[string]row.Row{
		"row Logical_Switch_Port/default/a: it is in no set of its parents [{Logical_Switch ports}]": lonely,
		"row Logical_Switch_Port/default/a: it is in no set of its parents":                          weak,
		"row Load_Balancer_Group/all: names of ours begin with":                                      loadBalancerGroup("all"),
		"row Port_Group/b: its model is named":                                                       {ID: id("Port_Group", "b"), Model: &nb.PortGroup{Name: "c"}},
		"row Port_Group/b: its model is *nb.AddressSet":                                              {ID: id("Port_Group", "b"), Model: &nb.AddressSet{Name: "b"}},
		"row SSL/b: no such table in package row":                                                    {ID: id("SSL", "b"), Model: &nb.NAT{}},
		"row Port_Group/b: other_config of Logical_Switch is no members-only column": {ID: id("Port_Group", "b"), Model: &nb.PortGroup{Name: "b"},
			In: []row.Membership{in("Logical_Switch", "worker-1", "other_config")}},
		"row Logical_Switch/worker-1 is wanted by node/worker-1 already": logicalSwitch("worker-1"),
	} {
		before := len(w.logged())
		w.sync(owner("pod/default/a"), r)
		require.Len(t, w.logged(), before+1, want)
		require.Contains(t, strings.ReplaceAll(w.logged()[before], `\"`, `"`), want)
		w.sync(owner("pod/default/a"))
	}
}

// A translation that fails changes nothing of the owner's, and while the Source has never said what an owner wants,
// nothing is taken out of a set that it may have put there.
func TestAFailedTranslationDestroysNothing(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	before := w.versions()
	w.broken[owner("pod/default/web-0")] = errors.New("no such luck")
	w.engine.MarkAll()
	w.settle()
	require.Equal(t, before, w.versions())
	w.stop()

	w.start()
	require.Equal(t, before, w.versions())
	require.Contains(t, w.logged()[0], "no such luck")
	w.mu.Lock()
	delete(w.broken, owner("pod/default/web-0"))
	w.mu.Unlock()
	w.sync(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.5"))
	require.Empty(t, w.set("Port_Group", "pg-web", "ports"))
	require.Empty(t, w.set("Address_Set", "as-web", "addresses"), "all owners are known again, so what nobody wants goes")
}

// An owner can hand a row to another without its being deleted in between.
func TestARowChangesItsOwner(t *testing.T) {
	w := newWorld(t)
	w.want(owner("policy/default/a"), portGroup("pg"))
	w.start()
	before := w.uuid("Port_Group", "pg")
	w.want(owner("policy/default/a"))
	w.want(owner("policy/default/b"), portGroup("pg"))
	w.engine.Mark(owner("policy/default/b"), owner("policy/default/a"))
	w.settle()
	require.Empty(t, w.logged())
	require.Equal(t, before, w.uuid("Port_Group", "pg"))
	require.Equal(t, "policy/default/b", text(w.one("Port_Group", "pg")["external_ids"].(libovsdb.OvsMap).GoMap[row.OwnerKey]))
}

// Marks that come while a batch is under way are not lost.
func TestMarksDuringABatchAreKept(t *testing.T) {
	w := newWorld(t)
	w.start()
	deadline := time.Now().Add(300 * time.Millisecond)
	for i := 0; time.Now().Before(deadline); i++ {
		w.want(owner("policy/default/a"), addressSet("as", fmt.Sprintf("10.0.0.%d", i%250)))
		w.engine.Mark(owner("policy/default/a"))
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	w.settle()
	last := w.rows[owner("policy/default/a")][0].Model.(*nb.AddressSet).Addresses
	require.Equal(t, last, w.set("Address_Set", "as", "addresses"))
}

// A start compares owners before it has asked all: more of them than are asked at once. Here is what it must not conclude from
// not having asked the last ones yet.
func TestAStartConcludesNothingFromWhomItHasNotAsked(t *testing.T) {
	begin := func(t *testing.T) *world {
		w := newWorld(t)
		many(w, startChunk+100)
		w.want(owner("cluster"), loadBalancerGroup("woven-cluster"), portGroup("pg-moves"))
		w.want(owner("service/default/web"), loadBalancer("default/web/tcp", "woven-cluster", map[string]string{"10.96.0.10:80": "10.244.1.5:8080"}))
		w.start()
		w.stop()
		return w
	}
	t.Run("that a load balancer is nobody's", func(t *testing.T) {
		w := begin(t)
		w.mu.Lock()
		w.broken[owner("service/default/web")] = errors.New("no such luck")
		w.mu.Unlock()
		w.start()
		require.Len(t, w.set("Load_Balancer_Group", "woven-cluster", "load_balancer"), 1)
	})
	t.Run("that a group comes back without those", func(t *testing.T) {
		w := begin(t)
		for n := range startChunk {
			name := fmt.Sprint("default/s", n)
			w.want(owner("service/"+name), loadBalancer(name+"/tcp", "woven-cluster", map[string]string{"10.96.1.1:80": "10.244.1.5:80"}))
		}
		w.start()
		w.stop()
		w.transact(destroy("Load_Balancer_Group", w.uuid("Load_Balancer_Group", "woven-cluster")))
		var mu sync.Mutex
		var first int
		w.admin.Cache().AddEventHandler(&cache.EventHandlerFuncs{AddFunc: func(_ string, m model.Model) {
			if group, ok := m.(*nb.LoadBalancerGroup); ok {
				mu.Lock()
				defer mu.Unlock()
				first = len(group.LoadBalancer)
			}
		}})
		w.start()
		w.eventually("the group is back, whole at once", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return first > 0
		})
		require.Equal(t, startChunk+1, first)
	})
	t.Run("that a group goes which gets another owner", func(t *testing.T) {
		w := begin(t)
		w.want(owner("cluster"), loadBalancerGroup("woven-cluster"))
		w.want(owner("policy/default/web"), portGroup("pg-web"), addressSet("as-web"), portGroup("pg-moves"))
		w.want(owner("pod/default/web-0"), pod("default/web-0", "worker-0", "10.244.0.0", in("Port_Group", "pg-web", "ports"),
			value("Address_Set", "as-web", "addresses", "10.244.0.0"), in("Port_Group", "pg-moves", "ports")))
		w.start()
		w.eventually("the pod is in it", func() bool { return len(w.set("Port_Group", "pg-moves", "ports")) == 1 })
	})
}
