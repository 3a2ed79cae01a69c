package controller

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ipam"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// allocation decides which addresses pods and nodes have, before they are translated, and reports what is wrong with
// them. prepare.go decides; here is kept what has been decided.
type allocation struct {
	config   *config.Parsed
	view     *kube.View
	gateways *gateways
	// pods has the addresses of pods.
	pods *ipam.Allocator[holder]
	// joins has the addresses of gateway routers on the join switch; the holders are names of nodes.
	joins *ipam.Allocator[string]
	// problems becomes Events.
	problems *problems
	// mark says that an owner's rows may have changed.
	mark func(...row.Owner)

	mu sync.Mutex
	// hungry has the pods that found their subnet exhausted; an address that is released may be for them.
	hungry map[row.Owner]struct{}
	// unplaced has the pods that may hold addresses and have no place for them now: their node's networks are not known.
	unplaced map[row.Owner]struct{}
	// holders maps a pod that holds addresses to its UID.
	holders map[row.Owner]string
	// leaving maps a pod to the UIDs of holders whose addresses may still be in the database.
	leaving map[row.Owner][]string
}

// holder is what a pod's addresses are held by. It has the UID, so a pod that is made again under the same name gets
// others: its predecessor's may still be in use in caches and conntrack entries.
type holder struct{ namespace, name, uid string }

func holderOf(owner row.Owner, uid string) holder { return holder{owner.Namespace, owner.Name, uid} }

// String is for messages.
func (h holder) String() string { return "pod " + h.namespace + "/" + h.name }

func newAllocation(c *config.Parsed, v *kube.View, g *gateways, p *problems, mark func(...row.Owner)) *allocation {
	return &allocation{
		config: c, view: v, gateways: g, problems: p, mark: mark,
		pods: ipam.NewAllocator[holder](), joins: ipam.NewAllocator[string](),
		hungry: map[row.Owner]struct{}{}, unplaced: map[row.Owner]struct{}{},
		holders: map[row.Owner]string{}, leaving: map[row.Owner][]string{},
	}
}

// addressesOfPod returns the addresses of a pod; none if it has no place for them now.
func (a *allocation) addressesOfPod(namespace, name, uid string) []netip.Addr {
	a.mu.Lock()
	_, unplaced := a.unplaced[pod.Owner(namespace, name)]
	a.mu.Unlock()
	if unplaced {
		return nil
	}
	return a.pods.Held(holder{namespace, name, uid})
}

// hold makes the pod with this UID the holder of the owner's addresses. What another had before is released when the
// database shows the pod without.
func (a *allocation) hold(owner row.Owner, uid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before, ok := a.holders[owner]; ok && before == uid {
		return
	}
	a.leave(owner)
	a.holders[owner] = uid
	if rest := slices.DeleteFunc(a.leaving[owner], func(other string) bool { return other == uid }); len(rest) > 0 {
		a.leaving[owner] = rest
	} else {
		delete(a.leaving, owner)
	}
}

// holdNothing is hold for a pod that should have no addresses.
func (a *allocation) holdNothing(owner row.Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave(owner)
}

// leave notes that the owner's holder is none any more. The caller holds a.mu.
func (a *allocation) leave(owner row.Owner) {
	if before, ok := a.holders[owner]; ok {
		a.leaving[owner] = append(a.leaving[owner], before)
		delete(a.holders, owner)
	}
}

// heldByAnother tells whether the owner's addresses are held by a pod with another UID.
func (a *allocation) heldByAnother(owner row.Owner, uid string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, ok := a.holders[owner]
	return ok && now != uid
}

// releasePod frees the addresses of a pod's former holders.
func (a *allocation) releasePod(owner row.Owner) {
	a.mu.Lock()
	leaving := a.leaving[owner]
	delete(a.leaving, owner)
	a.mu.Unlock()
	freed := false
	for _, uid := range leaving {
		h := holderOf(owner, uid)
		freed = freed || len(a.pods.Held(h)) > 0
		a.pods.Release(h)
	}
	if freed {
		a.feedHungry()
	}
}

// releaseNode frees the join addresses of a node that is gone.
func (a *allocation) releaseNode(owner row.Owner) {
	if a.view.Node(owner.Name) == nil {
		a.joins.Release(owner.Name)
	}
}

// feedHungry has those looked at again that wait for an address.
func (a *allocation) feedHungry() {
	a.mu.Lock()
	var waiting []row.Owner
	for o := range a.hungry {
		waiting = append(waiting, o)
	}
	a.mu.Unlock()
	a.mark(waiting...)
}

func (a *allocation) setPlaced(owner row.Owner, placed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if placed {
		delete(a.unplaced, owner)
	} else {
		a.unplaced[owner] = struct{}{}
	}
}

func (a *allocation) setHungry(owner row.Owner, hungry bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if hungry {
		a.hungry[owner] = struct{}{}
	} else {
		delete(a.hungry, owner)
	}
}
