package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// prepareNode gives the gateway router of a node its join addresses.
func (a *allocation) prepareNode(owner row.Owner) error {
	name := owner.Name
	if a.view.Node(name) == nil {
		a.gateways.forget(name)
		a.problems.solved(subject{owner: owner})
		return nil
	}
	_, err := topology.Subnets(a.view, a.config, name)
	a.note(owner, err)
	if a.gateways.of(name).IsZero() {
		return nil
	}
	if _, err = a.joins.Allocate(name, topology.JoinNetworks(a.config)); err != nil {
		return fmt.Errorf("allocate the join address of node %s: %w "+
			"(joinCIDRs of the ConfigMap woven-config holds too few nodes)", name, err)
	}
	return nil
}

// preparePod gives a pod its addresses. A pod that gets none now is no error: it is looked at again when its node
// changes or an address is released.
func (a *allocation) preparePod(owner row.Owner) error {
	a.setPlaced(owner, a.placePod(owner))
	return nil
}

// placePod gives a pod its addresses, and returns false for one that gets none now.
func (a *allocation) placePod(owner row.Owner) bool {
	object := a.view.Pod(owner.Namespace, owner.Name)
	if !kube.OnNetwork(object) {
		a.problems.solved(subject{owner: owner})
		a.setHungry(owner, false)
		a.holdNothing(owner)
		return true
	}
	mine := a.hold(owner, pod.UID(object))
	subnets, err := pod.Subnets(a.view, a.config, object)
	if err != nil {
		a.problems.found(subject{owner: owner}, reasonOf(err), fmt.Sprintf("node %s: %v", object.Node, err))
		return false
	}
	if len(subnets) == 0 {
		// The node is gone but the pod is not. It keeps its addresses: if the node was deleted by mistake, it comes
		// back with the pod still running.
		return false
	}
	before := a.pods.Held(mine)
	addresses, err := a.pods.Allocate(mine, lasting(before, subnets))
	a.setHungry(owner, errors.As(err, &ipam.Exhausted{}))
	if err != nil {
		a.note(owner, err)
		return false
	}
	if slices.ContainsFunc(before, func(had netip.Addr) bool { return !slices.Contains(addresses, had) }) {
		a.feedHungry() // It has moved to another network.
	}
	a.note(owner, a.disagreement(object, mine, addresses))
	return true
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

// note makes an Event of an error, or notes that it is over.
func (a *allocation) note(owner row.Owner, err error) {
	if err == nil {
		a.problems.solved(subject{owner: owner})
		return
	}
	a.problems.found(subject{owner: owner}, reasonOf(err), err.Error())
}

// stranded is the error of a running pod that uses addresses which are not its own any more, or never were.
type stranded struct{ reason, message string }

func (s stranded) Error() string { return s.message }

// disagreement returns an error if a pod runs with other addresses than its port has: nothing reaches it, and only
// making it anew helps. So it is for pods from before Woven was installed, and when a node was given another network.
func (a *allocation) disagreement(p *kube.Pod, mine *holder, has []netip.Addr) error {
	for _, reported := range p.IPs {
		if slices.Contains(has, reported) {
			continue
		}
		if other := a.pods.Holder(reported); other != nil && other != mine {
			return stranded{"AddressTaken", fmt.Sprintf("the pod runs with the address %s, which is that of %s; "+
				"delete this pod so that it gets another", reported, other)}
		}
		return stranded{"AddressChanged", fmt.Sprintf("the pod runs with the address %s, which is not of its node's network; "+
			"delete this pod so that it gets another", reported)}
	}
	return nil
}

// reasonOf returns the reason of the Event that an error becomes.
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
