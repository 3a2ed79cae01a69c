package kube

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"k8s.io/utils/lru"
)

// compact puts texts one behind the other into one piece of memory. Each was decoded into a piece of its own, among many
// that are thrown away and leave holes too small for anything else.
func compact(texts ...*string) {
	n := 0
	for _, t := range texts {
		n += len(*t)
	}
	var all strings.Builder
	all.Grow(n)
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		*t, rest = rest[:len(*t)], rest[len(*t):]
	}
}

// alike hands out one copy of what equal pods have in common: those of a Deployment differ in little but their names.
type alike struct {
	seed maphash.Seed
	// recent maps the hash of labels to the *Pod that had them last, which may be deleted by now.
	recent *lru.Cache
}

func newAlike() *alike { return &alike{seed: maphash.MakeSeed(), recent: lru.New(1024)} }

// share gives the pod the labels, ports and names of namespace and node of one before that has the same.
func (a *alike) share(p *Pod) {
	var key uint64
	for k, v := range p.Labels {
		key += maphash.Comparable(a.seed, [2]string{k, v}) // a sum, for a map has no order
	}
	if known, ok := a.recent.Get(key); ok {
		other := known.(*Pod)
		if maps.Equal(p.Labels, other.Labels) {
			p.Labels = other.Labels
		}
		if slices.Equal(p.Ports, other.Ports) {
			p.Ports = other.Ports
		}
		if p.Namespace == other.Namespace {
			p.Namespace = other.Namespace
		}
		if p.Node == other.Node {
			p.Node = other.Node
		}
	}
	a.recent.Add(key, p)
}
