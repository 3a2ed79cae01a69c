package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/service"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// desired knows which rows should exist. It joins the pure translators with what they are not allowed to hold: who has
// which address and what nodes told of their gateways. It lives as long as one leadership.
type desired struct {
	config   *config.Parsed
	view     *kube.View
	gateways *gateways
	// pods has the addresses of pods; what holds one is described at holder.
	pods *ipam.Allocator
	// joins has the addresses of gateway routers on the join switch; the holders are nodes.
	joins *ipam.Allocator
	// problems is told what an administrator must act on.
	problems *problems
	// mark says that an owner's rows may have changed.
	mark func(...row.Owner)
	// synced is set when the database has been brought in accord for the first time.
	synced atomic.Bool

	mu sync.Mutex
	// hungry has the pods that found their subnet exhausted; an address that is released may be for them.
	hungry map[row.Owner]struct{}
	// unplaced has the pods that may hold addresses and have no place for them now: their node's networks are not known.
	unplaced map[row.Owner]struct{}
	// holders maps a pod's owner to the holder of its addresses.
	holders map[row.Owner]string
	// leaving maps a pod's owner to holders whose addresses may still be in the database.
	leaving map[row.Owner][]string
}

// holder returns what a pod's addresses are held by. It has the UID, so a pod that is made again under the same name
// gets others: its predecessor's may still be in use in caches and conntrack entries.
func holder(owner row.Owner, uid string) string { return string(owner) + "/" + uid }

func newDesired(c *config.Parsed, v *kube.View, g *gateways, p *problems, mark func(...row.Owner)) *desired {
	return &desired{
		config: c, view: v, gateways: g, problems: p, mark: mark,
		pods: ipam.NewAllocator(), joins: ipam.NewAllocator(),
		hungry: map[row.Owner]struct{}{}, unplaced: map[row.Owner]struct{}{}, holders: map[row.Owner]string{}, leaving: map[row.Owner][]string{},
	}
}

// affected returns the owners that a change of an object is for.
func affected(v *kube.View, c *config.Parsed, change kube.Change) []row.Owner {
	return slices.Concat(topology.Affected(v, c, change), pod.Affected(v, c, change), service.Affected(v, c, change))
}

// owners returns every owner that may have rows.
func (d *desired) owners() []row.Owner {
	all := []row.Owner{topology.ClusterOwner}
	for _, n := range d.view.Nodes() {
		all = append(all, topology.Owner(n.Name))
	}
	for _, p := range d.view.Pods() {
		if kube.OnNetwork(p) {
			all = append(all, pod.Owner(p.Namespace, p.Name))
		}
	}
	for _, s := range d.view.Services() {
		all = append(all, service.Owner(s.Namespace, s.Name))
	}
	return all
}

// priority orders owners: those that others build on, then pods, for a pod waits for its port to be started, then all others.
func priority(owner row.Owner) int {
	kind, _, _ := strings.Cut(string(owner), "/")
	switch kind {
	case "cluster", "node":
		return 0
	case "pod":
		return 1
	default:
		return 2
	}
}

// prepare does what must be done before an owner is translated: it gives addresses, and tells of what keeps an owner from
// having rows. The engine calls it before each question to rows.
func (d *desired) prepare(owner row.Owner) error {
	kind, rest, _ := strings.Cut(string(owner), "/")
	namespace, name, _ := strings.Cut(rest, "/")
	switch kind {
	case "node":
		return d.prepareNode(rest)
	case "pod":
		d.preparePod(owner, namespace, name)
	}
	return nil
}

// rows is the engine's Source. It changes nothing.
func (d *desired) rows(owner row.Owner) ([]row.Row, error) {
	kind, rest, _ := strings.Cut(string(owner), "/")
	namespace, name, _ := strings.Cut(rest, "/")
	switch kind {
	case "cluster":
		return topology.Cluster(d.view, d.config), nil
	case "node":
		facts := topology.Facts{Gateway: d.gateways.of(rest), Join: d.joins.Held(rest)}
		return topology.Node(d.view, d.config, rest, facts), nil
	case "pod":
		return d.pod(owner, namespace, name), nil
	case "service":
		return service.Translate(d.view, d.config, namespace, name), nil
	}
	return nil, nil // Rows of a kind that this version does not know, left by another: nobody wants them.
}

// report hears how an owner and the database are to each other. What an owner held that is not in the database any more is
// released only then: an address must not be another pod's while a set or a port still has it.
func (d *desired) report(owner row.Owner, s nbsync.Status) {
	kind, name, _ := strings.Cut(string(owner), "/")
	if s.State == nbsync.InSync {
		switch kind {
		case "node":
			if d.view.Node(name) == nil {
				d.joins.Release(name)
			}
		case "pod":
			d.release(owner)
		}
	}
	d.notePersistence(owner, s)
}

func (d *desired) prepareNode(name string) error {
	if d.view.Node(name) == nil {
		d.gateways.forget(name)
		d.problems.solved(nodeReference(name))
		return nil
	}
	_, err := topology.Subnets(d.view, d.config, name)
	d.note(nodeReference(name), err)
	if d.gateways.of(name).IsZero() {
		return nil
	}
	if _, err = d.joins.Allocate(name, topology.JoinNetworks(d.config)); err != nil {
		return fmt.Errorf("join address for node %s: %w (joinCIDRs of the ConfigMap woven-config holds too few nodes)", name, err)
	}
	return nil
}

func (d *desired) preparePod(owner row.Owner, namespace, name string) {
	d.setPlaced(owner, d.placePod(owner, namespace, name))
}

// placePod gives a pod its addresses, and returns false for one that gets none now.
func (d *desired) placePod(owner row.Owner, namespace, name string) bool {
	object := d.view.Pod(namespace, name)
	reference := podReference(namespace, name)
	if !kube.OnNetwork(object) {
		d.problems.solved(reference)
		d.setHungry(owner, false)
		d.hold(owner, "")
		return true
	}
	mine := holder(owner, pod.UID(object))
	d.hold(owner, mine)
	subnets, err := pod.Subnets(d.view, d.config, object)
	if err != nil {
		d.problems.found(reference, reasonOf(err), fmt.Sprintf("node %s: %v", object.Node, err))
		return false
	}
	if len(subnets) == 0 {
		// The node is gone but the pod is not. It keeps its addresses: if the node was deleted by mistake, it comes
		// back with the pod still running.
		return false
	}
	before := d.pods.Held(mine)
	addresses, err := d.pods.Allocate(mine, lasting(before, subnets))
	d.setHungry(owner, errors.As(err, &ipam.Exhausted{}))
	if slices.ContainsFunc(before, func(a netip.Addr) bool { return err == nil && !slices.Contains(addresses, a) }) {
		d.feedHungry() // It has moved to another network.
	}
	if err != nil {
		d.note(reference, err)
		return false
	}
	d.note(reference, d.disagreement(object, mine, addresses))
	return true
}

// pod returns the rows of a pod that has addresses of its node's networks. Without them there is nothing to try again until an
// address is released, so that is no error for the engine.
func (d *desired) pod(owner row.Owner, namespace, name string) []row.Row {
	object := d.view.Pod(namespace, name)
	if !kube.OnNetwork(object) {
		return nil
	}
	d.mu.Lock()
	_, unplaced := d.unplaced[owner]
	d.mu.Unlock()
	if unplaced {
		return nil
	}
	return pod.Translate(object, d.pods.Held(holder(owner, pod.UID(object))))
}

// lasting returns the networks from which a pod that has addresses already gets any. It keeps those it has, and no
// other comes to them when its node gets a second IP family: the pod is not told, and a first IPv4 address would change
// the MAC under it.
func lasting(has []netip.Addr, subnets []netip.Prefix) []netip.Prefix {
	var kept []netip.Prefix
	for _, s := range subnets {
		if slices.ContainsFunc(has, s.Contains) {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return subnets
	}
	return kept
}

// hold makes a holder that of the pod's addresses. What another had before is released when the database shows the pod
// without. An empty one holds nothing.
func (d *desired) hold(owner row.Owner, next string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.holders[owner]
	if before == next {
		return
	}
	if before != "" {
		d.leaving[owner] = append(d.leaving[owner], before)
	}
	if next == "" {
		delete(d.holders, owner)
		return
	}
	d.holders[owner] = next
	d.leaving[owner] = slices.DeleteFunc(d.leaving[owner], func(h string) bool { return h == next })
}

// release frees the addresses of a pod's former holders.
func (d *desired) release(owner row.Owner) {
	d.mu.Lock()
	leaving := d.leaving[owner]
	delete(d.leaving, owner)
	d.mu.Unlock()
	freed := false
	for _, h := range leaving {
		freed = freed || len(d.pods.Held(h)) > 0
		d.pods.Release(h)
	}
	if freed {
		d.feedHungry()
	}
}

// holderOf returns what holds a pod's addresses; empty if nothing does.
func (d *desired) holderOf(owner row.Owner) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holders[owner]
}

// feedHungry has those looked at again that wait for an address.
func (d *desired) feedHungry() {
	d.mu.Lock()
	var waiting []row.Owner
	for o := range d.hungry {
		waiting = append(waiting, o)
	}
	d.mu.Unlock()
	d.mark(waiting...)
}

func (d *desired) setPlaced(owner row.Owner, placed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if placed {
		delete(d.unplaced, owner)
	} else {
		d.unplaced[owner] = struct{}{}
	}
}

func (d *desired) setHungry(owner row.Owner, hungry bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if hungry {
		d.hungry[owner] = struct{}{}
	} else {
		delete(d.hungry, owner)
	}
}

// note tells the administrator of an error, or that it is over.
func (d *desired) note(about reference, err error) {
	if err == nil {
		d.problems.solved(about)
		return
	}
	d.problems.found(about, reasonOf(err), err.Error())
}

// stranded is the error of a running pod that uses addresses which are not its own any more, or never were.
type stranded struct{ reason, message string }

func (s stranded) Error() string { return s.message }

// disagreement returns an error if a pod runs with other addresses than its port has: nothing reaches it, and only
// making it anew helps. So it is for pods from before Woven was installed, and when a node was given another network.
func (d *desired) disagreement(p *kube.Pod, mine string, has []netip.Addr) error {
	for _, reported := range p.IPs {
		if slices.Contains(has, reported) {
			continue
		}
		if other := d.pods.Holder(reported); other != "" && other != mine {
			_, other, _ = strings.Cut(other, "/")
			return stranded{"AddressTaken", fmt.Sprintf("the pod runs with the address %s, which is that of pod %s; delete this pod so that it gets another",
				reported, other[:strings.LastIndex(other, "/")])}
		}
		return stranded{"AddressChanged", fmt.Sprintf("the pod runs with the address %s, which is not of its node's network; delete this pod so that it gets another", reported)}
	}
	return nil
}

func reasonOf(err error) string {
	var refused topology.Refused
	var strays stranded
	switch {
	case errors.As(err, &strays):
		return strays.reason
	case errors.As(err, &refused):
		return refused.Reason
	case errors.As(err, &ipam.Exhausted{}):
		return "SubnetExhausted"
	}
	return "NetworkFailed"
}

// addressesOf reads the IP addresses of a port's column: "<MAC> <IP> <IP>".
func addressesOf(column []string) []netip.Addr {
	var all []netip.Addr
	for _, element := range column {
		for _, word := range strings.Fields(element) {
			if a, err := netip.ParseAddr(word); err == nil {
				all = append(all, a)
			}
		}
	}
	return all
}
