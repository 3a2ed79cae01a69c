package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// Exhausted is the error of a network that has no free address left.
type Exhausted struct{ Subnet netip.Prefix }

func (e Exhausted) Error() string {
	return fmt.Sprintf("subnet %s exhausted: every address is in use; delete pods of this node, or lower kubelet's maxPods to what the network holds", e.Subnet)
}

// Taken is the error of a claim on an address that another has. Holder is that one's text.
type Taken struct {
	Address netip.Addr
	Holder  string
}

func (t Taken) Error() string { return fmt.Sprintf("address %s is in use by %s", t.Address, t.Holder) }

// Allocator knows who has which address. A holder is any comparable value; it has at most one address of each IP
// family. All methods may be called from any goroutine.
type Allocator[Holder comparable] struct {
	mu sync.Mutex
	// holders maps an address to who has it.
	holders map[netip.Addr]Holder
	// held maps a holder to its addresses, IPv4 first.
	held map[Holder][]netip.Addr
	// last maps a network to the address handed out last. The search goes on behind it, so that an address
	// rests as long as possible before it is somebody else's: caches out there may still speak of the old holder.
	last map[netip.Prefix]netip.Addr
}

// NewAllocator returns an Allocator in which all addresses are free.
func NewAllocator[Holder comparable]() *Allocator[Holder] {
	return &Allocator[Holder]{
		holders: map[netip.Addr]Holder{}, held: map[Holder][]netip.Addr{}, last: map[netip.Prefix]netip.Addr{},
	}
}

// Allocate gives the holder one address of each network, of which there is at most one of each family, and returns
// them, IPv4 first. What it has already and lies in the networks, it keeps; other addresses are taken from it. The
// error is Exhausted; the holder then has what it had.
func (a *Allocator[Holder]) Allocate(holder Holder, subnets []netip.Prefix) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var chosen []netip.Addr
	for _, subnet := range subnets {
		kept := slices.IndexFunc(a.held[holder], func(h netip.Addr) bool { return assignable(h, subnet) })
		if kept >= 0 {
			chosen = append(chosen, a.held[holder][kept])
			continue
		}
		free := a.next(subnet)
		if !free.IsValid() {
			return nil, Exhausted{Subnet: subnet}
		}
		chosen = append(chosen, free)
	}
	for i, address := range chosen {
		if !slices.Contains(a.held[holder], address) {
			a.last[subnets[i]] = address
		}
	}
	a.replace(holder, chosen)
	return slices.Clone(a.held[holder]), nil
}

// Claim gives the holder an address that it is known to have. It is how a restart learns what is: those whose word
// weighs more claim first, for a holder with an address of the family keeps that one and a claim of another of
// that family does nothing. The error is Taken when somebody else has the address.
func (a *Allocator[Holder]) Claim(holder Holder, address netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, ok := a.holders[address]; ok && other != holder {
		return Taken{Address: address, Holder: fmt.Sprint(other)}
	}
	for _, h := range a.held[holder] {
		if h.Is4() == address.Is4() {
			return nil
		}
	}
	a.replace(holder, append(slices.Clone(a.held[holder]), address))
	return nil
}

// Release frees all addresses of a holder.
func (a *Allocator[Holder]) Release(holder Holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replace(holder, nil)
}

// Held returns the addresses of a holder, IPv4 first.
func (a *Allocator[Holder]) Held(holder Holder) []netip.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.held[holder])
}

// Holder returns who has an address; the zero value if nobody has.
func (a *Allocator[Holder]) Holder(address netip.Addr) Holder {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.holders[address]
}

// Holders returns how many have at least one address.
func (a *Allocator[Holder]) Holders() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.held)
}

func (a *Allocator[Holder]) replace(holder Holder, addresses []netip.Addr) {
	for _, h := range a.held[holder] {
		delete(a.holders, h)
	}
	delete(a.held, holder)
	if len(addresses) == 0 {
		return
	}
	slices.SortFunc(addresses, netip.Addr.Compare) // Compare puts IPv4 before IPv6.
	for _, h := range addresses {
		a.holders[h] = holder
	}
	a.held[holder] = addresses
}

// next returns the first free address behind the one handed out last, going round at the end; not valid if there
// is none.
func (a *Allocator[Holder]) next(subnet netip.Prefix) netip.Addr {
	first, last := usable(subnet)
	if !first.IsValid() {
		return netip.Addr{}
	}
	start := first
	if before, ok := a.last[subnet]; ok && before.Less(last) {
		start = before.Next()
	}
	for candidate := start; ; {
		if _, inUse := a.holders[candidate]; !inUse {
			return candidate
		}
		if candidate == last {
			candidate = first
		} else {
			candidate = candidate.Next()
		}
		if candidate == start {
			return netip.Addr{}
		}
	}
}

// assignable tells whether Allocate could have given the address out of the network.
func assignable(address netip.Addr, subnet netip.Prefix) bool {
	first, last := usable(subnet)
	return first.IsValid() && !address.Less(first) && !last.Less(address)
}
