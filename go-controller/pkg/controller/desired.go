package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kube"
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
	// holders maps a pod's owner to the holder of its addresses.
	holders map[row.Owner]string
}

// holder returns what a pod's addresses are held by. It has the UID, so a pod that is made again under the same name
// gets others: its predecessor's may still be in use in caches and conntrack entries.
func holder(owner row.Owner, uid string) string { return string(owner) + "/" + uid }

func newDesired(c *config.Parsed, v *kube.View, g *gateways, p *problems, mark func(...row.Owner)) *desired {
	return &desired{
		config: c, view: v, gateways: g, problems: p, mark: mark,
		pods: ipam.NewAllocator(), joins: ipam.NewAllocator(),
		hungry: map[row.Owner]struct{}{}, holders: map[row.Owner]string{},
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
	d.view.EachPod(func(p *corev1.Pod) {
		if kube.OnNetwork(p) {
			all = append(all, pod.Owner(p.Namespace, p.Name))
		}
	})
	for _, s := range d.view.Services() {
		all = append(all, service.Owner(s.Namespace, s.Name))
	}
	return all
}

// rows is the engine's Source.
func (d *desired) rows(owner row.Owner) ([]row.Row, error) {
	kind, rest, _ := strings.Cut(string(owner), "/")
	namespace, name, _ := strings.Cut(rest, "/")
	switch kind {
	case "cluster":
		return topology.Cluster(d.view, d.config), nil
	case "node":
		return d.node(rest)
	case "pod":
		return d.pod(owner, namespace, name), nil
	case "service":
		return service.Translate(d.view, d.config, namespace, name), nil
	}
	return nil, nil // Rows of a kind that this version does not know, left by another: nobody wants them.
}

func (d *desired) node(name string) ([]row.Row, error) {
	if d.view.Node(name) == nil {
		d.gateways.forget(name)
		d.joins.Release(name)
		d.problems.solved(nodeReference(name))
		return nil, nil
	}
	_, err := topology.Subnets(d.view, d.config, name)
	d.note(nodeReference(name), err)
	facts := topology.Facts{Gateway: d.gateways.of(name)}
	if !facts.Gateway.IsZero() {
		facts.Join, err = d.joins.Allocate(name, topology.JoinNetworks(d.config))
		if err != nil {
			return nil, fmt.Errorf("join address for node %s: %w (joinCIDRs of the ConfigMap woven-config holds too few nodes)", name, err)
		}
	}
	return topology.Node(d.view, d.config, name, facts), nil
}

func (d *desired) pod(owner row.Owner, namespace, name string) []row.Row {
	object := d.view.Pod(namespace, name)
	reference := podReference(namespace, name)
	if !kube.OnNetwork(object) {
		d.problems.solved(reference)
		d.setHungry(owner, false)
		d.hold(owner, "")
		return nil
	}
	mine := holder(owner, pod.UID(&object.ObjectMeta))
	d.hold(owner, mine)
	subnets, err := pod.Subnets(d.view, d.config, object)
	if err != nil {
		d.problems.found(reference, reasonOf(err), fmt.Sprintf("node %s: %v", object.Spec.NodeName, err))
		return nil
	}
	if len(subnets) == 0 {
		// The node is gone but the pod is not. It keeps its addresses: if the node was deleted by mistake, it comes
		// back with the pod still running.
		return nil
	}
	before := d.pods.Held(mine)
	addresses, err := d.pods.Allocate(mine, lasting(before, subnets))
	d.setHungry(owner, errors.As(err, &ipam.Exhausted{}))
	if slices.ContainsFunc(before, func(a netip.Addr) bool { return err == nil && !slices.Contains(addresses, a) }) {
		d.feedHungry() // It has moved to another network.
	}
	if err != nil {
		d.note(reference, err)
		// Not an error for the engine: there is nothing to try again until an address is released.
		return nil
	}
	d.note(reference, d.disagreement(object, mine, addresses))
	return pod.Translate(object, addresses)
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

// hold makes a holder that of the pod's addresses, and releases what another had before. An empty one holds nothing.
func (d *desired) hold(owner row.Owner, next string) {
	d.mu.Lock()
	before := d.holders[owner]
	switch {
	case before == next:
	case next != "":
		d.holders[owner] = next
	default:
		delete(d.holders, owner)
	}
	d.mu.Unlock()
	if before == "" || before == next {
		return
	}
	held := d.pods.Held(before)
	d.pods.Release(before)
	if len(held) > 0 {
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
func (d *desired) disagreement(p *corev1.Pod, mine string, has []netip.Addr) error {
	for _, status := range p.Status.PodIPs {
		reported, err := netip.ParseAddr(status.IP)
		if err != nil || slices.Contains(has, reported) {
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
