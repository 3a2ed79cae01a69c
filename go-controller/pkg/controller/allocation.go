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
	pods *ipam.Allocator[*holder]
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
	// holders maps a pod to what holds its addresses.
	holders map[row.Owner]*holder
	// leaving maps a pod to its former holders, whose addresses may still be in the database.
	leaving map[row.Owner][]*holder
}

// holder is what a pod's addresses are held by. It has the UID, so a pod that is made again under the same name gets
// others: its predecessor's may still be in use in caches and conntrack entries. Of an owner and a UID there is one.
type holder struct {
	owner row.Owner
	uid   string
}

// String is for messages.
func (h *holder) String() string { return "pod " + h.owner.Namespace + "/" + h.owner.Name }

func newAllocation(c *config.Parsed, v *kube.View, g *gateways, p *problems, mark func(...row.Owner)) *allocation {
	return &allocation{
		config: c, view: v, gateways: g, problems: p, mark: mark,
		pods: ipam.NewAllocator[*holder](), joins: ipam.NewAllocator[string](),
		hungry: map[row.Owner]struct{}{}, unplaced: map[row.Owner]struct{}{},
		holders: map[row.Owner]*holder{}, leaving: map[row.Owner][]*holder{},
	}
}

// addressesOfPod returns the addresses of a pod; none if it has no place for them now.
func (a *allocation) addressesOfPod(namespace, name, uid string) []netip.Addr {
	owner := pod.Owner(namespace, name)
	a.mu.Lock()
	h := a.holders[owner]
	_, unplaced := a.unplaced[owner]
	a.mu.Unlock()
	if h == nil || h.uid != uid || unplaced {
		return nil
	}
	return a.pods.Held(h)
}

// hold makes the pod with this UID the holder of the owner's addresses and returns it. What another had before is
// released when the database shows the pod without.
func (a *allocation) hold(owner row.Owner, uid string) *holder {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.holders[owner]; now != nil && now.uid == uid {
		return now
	}
	a.leave(owner)
	next := &holder{owner: owner, uid: uid}
	if i := slices.IndexFunc(a.leaving[owner], func(h *holder) bool { return h.uid == uid }); i >= 0 {
		next = a.leaving[owner][i] // It comes back.
		a.leaving[owner] = slices.Delete(a.leaving[owner], i, i+1)
	}
	a.holders[owner] = next
	return next
}

// holdNothing is hold for a pod that should have no addresses.
func (a *allocation) holdNothing(owner row.Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave(owner)
}

// leave notes that the owner's holder is none any more. The caller holds a.mu.
func (a *allocation) leave(owner row.Owner) {
	if before := a.holders[owner]; before != nil {
		a.leaving[owner] = append(a.leaving[owner], before)
		delete(a.holders, owner)
	}
}

// heldByAnother tells whether the owner's addresses are held by a pod with another UID.
func (a *allocation) heldByAnother(owner row.Owner, uid string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.holders[owner]
	return now != nil && now.uid != uid
}

// releasePod frees the addresses of a pod's former holders.
func (a *allocation) releasePod(owner row.Owner) {
	a.mu.Lock()
	leaving := a.leaving[owner]
	delete(a.leaving, owner)
	a.mu.Unlock()
	freed := false
	for _, h := range leaving {
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
