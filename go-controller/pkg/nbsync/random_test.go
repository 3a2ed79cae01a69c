package nbsync

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

var seeds = flag.Int("seeds", 8, "number of seeds of the randomized test")

// TestRandom lets everything happen at once: wishes change, also to what cannot be carried out yet; a person edits the
// database; the database and the engine restart. Whenever the wishes can be carried out, the database must come to
// hold exactly what they say, and the engine must rest.
func TestRandom(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			c := &chaos{world: newWorld(t), Rand: rand.New(rand.NewPCG(seed, 0)), present: map[row.Owner]bool{}}
			if seed%2 == 1 { // Nearly every change is split among several transactions.
				c.batchRows, c.chunk = 1+c.IntN(4), 1+c.IntN(6)
			}
			c.complete()
			c.start()
			c.converges()
			for range 12 {
				c.round()
			}
		})
	}
}

// chaos changes everything at random, the same for the same seed.
type chaos struct {
	*world
	*rand.Rand
	// present says which owners want anything.
	present map[row.Owner]bool
}

const (
	nodes    = 3
	policies = 4
	services = 3
	pods     = 15
)

// all lists the owners there may be.
func all() []row.Owner {
	out := []row.Owner{owner("cluster")}
	for kind, n := range map[string]int{"node/n": nodes, "policy/default/p": policies, "service/default/s": services, "pod/default/w": pods} {
		for i := range n {
			out = append(out, owner(fmt.Sprint(kind, i)))
		}
	}
	slices.SortFunc(out, row.Owner.Compare)
	return out
}

func (c *chaos) chance(percent int) bool { return c.IntN(100) < percent }

// round changes things while the engine works, then asks for what can be carried out and waits for it.
func (c *chaos) round() {
	faults := c.chance(40)
	for range c.IntN(20) {
		switch {
		case c.chance(50):
			owners := all()
			o := owners[c.IntN(len(owners))]
			c.present[o] = c.chance(70)
			c.wish(o)
		case faults && c.chance(10):
			c.server.Stop()
			c.server.Continue()
		case faults && c.chance(5):
			c.server.Recreate()
		case faults && c.chance(5):
			c.stop()
			c.startAgain()
		default:
			c.edit(faults)
		}
	}
	c.complete()
	c.converges()
	if c.chance(30) {
		c.stop()
		before := c.versions()
		c.start()
		require.Equal(c.t, before, c.versions(), "a restart writes nothing")
	}
}

// startAgain runs another engine without waiting for it.
func (c *chaos) startAgain() {
	c.make()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.engine.Run(ctx)
	}()
	c.stop = func() { cancel(); <-done }
	c.t.Cleanup(c.stop)
}

// complete wishes for what others refer to, so that all can be carried out.
func (c *chaos) complete() {
	for _, o := range all() {
		if class(o) == 0 || o.Kind == "policy" {
			c.present[o] = true
		}
		if class(o) == 0 || c.present[o] {
			c.wish(o)
		}
	}
}

// wish says what an owner wants, and marks it.
func (c *chaos) wish(o row.Owner) {
	var rows []row.Row
	if c.present[o] {
		rows = c.rowsOf(o)
	}
	c.want(o, rows...)
	if c.engine != nil {
		c.engine.Mark(o)
	}
}

func (c *chaos) rowsOf(o row.Owner) []row.Row {
	var kind string
	var n int
	switch {
	case o == owner("cluster"):
		return []row.Row{router("cluster"), loadBalancerGroup("woven-cluster")}
	case class(o) == 0:
		kind = "node/n"
	case class(o) == 1:
		kind = "pod/default/w"
	case o.Kind == "policy":
		kind = "policy/default/p"
	default:
		kind = "service/default/s"
	}
	_, err := fmt.Sscan(strings.TrimPrefix(o.String(), kind), &n)
	require.NoError(c.t, err)
	switch kind {
	case "node/n":
		return c.node(n)
	case "pod/default/w":
		return c.pod(n)
	case "policy/default/p":
		return c.policy(n)
	default:
		return c.service(n)
	}
}

func (c *chaos) node(n int) []row.Row {
	name := fmt.Sprint("n", n)
	sw := logicalSwitch(name)
	sw.Model.(*nb.LogicalSwitch).OtherConfig["mcast_snoop"] = fmt.Sprint(c.chance(50))
	if c.chance(70) {
		sw.Model.(*nb.LogicalSwitch).LoadBalancerGroup = []string{row.Ref("Load_Balancer_Group", "woven-cluster")}
	}
	rows := []row.Row{sw, templateVariables(name), routerPort("port-"+name, "cluster"), macBinding("port-"+name, "169.254.64.2")}
	for i := range c.IntN(3) {
		rows = append(rows, nat("cluster", fmt.Sprint(name, "/", i), fmt.Sprintf("172.30.0.%d", c.IntN(250)), "10.244.1.0/24"))
	}
	return rows
}

func (c *chaos) pod(n int) []row.Row {
	address := fmt.Sprintf("10.244.0.%d", c.IntN(250))
	var memberships []row.Membership
	for i := range policies {
		if c.chance(30) {
			memberships = append(memberships, in("Port_Group", fmt.Sprint("pg", i), "ports"))
		}
		if c.chance(30) {
			memberships = append(memberships, value("Address_Set", fmt.Sprint("as", i), "addresses", address))
		}
	}
	return []row.Row{pod(fmt.Sprint("default/w", n), fmt.Sprint("n", c.IntN(nodes)), address, memberships...)}
}

func (c *chaos) policy(n int) []row.Row {
	group := fmt.Sprint("pg", n)
	rows := []row.Row{portGroup(group), addressSet(fmt.Sprint("as", n))}
	for i := range c.IntN(4) {
		rows = append(rows, acl(group, fmt.Sprint(i), fmt.Sprintf("ip4.src == 10.0.0.%d", c.IntN(5))))
	}
	for i := range c.IntN(3) {
		set := rows[1].Model.(*nb.AddressSet)
		set.Addresses = append(set.Addresses, fmt.Sprintf("192.168.%d.0/24", i))
	}
	return rows
}

func (c *chaos) service(n int) []row.Row {
	name := fmt.Sprint("s", n)
	vips := map[string]string{}
	for i := range c.IntN(3) {
		vips[fmt.Sprintf("10.96.%d.%d:80", n, i)] = fmt.Sprintf("10.244.0.%d:8080", c.IntN(250))
	}
	lb := loadBalancer(name, "woven-cluster", vips)
	for i := range nodes {
		if c.chance(40) {
			lb.In = append(lb.In, variable(fmt.Sprint("n", i), fmt.Sprint("VAR", n), fmt.Sprint(c.IntN(5))))
		}
	}
	return []row.Row{lb}
}

// converges waits until the database holds what is wanted, and then looks whether the engine has anything to do.
func (c *chaos) converges() {
	c.t.Helper()
	want := c.expected()
	deadline := time.Now().Add(15 * time.Second)
	for c.actual() != want {
		if time.Now().After(deadline) {
			require.Equal(c.t, want, c.actual())
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.settle()
	drift, err := c.engine.Audit(c.t.Context())
	require.NoError(c.t, err)
	require.Zero(c.t, drift)
	c.settle()
	transactions, _ := c.operations(func() {
		c.engine.MarkAll()
		c.settle()
	})
	require.Zero(c.t, transactions)
	require.Equal(c.t, want, c.actual())
}
