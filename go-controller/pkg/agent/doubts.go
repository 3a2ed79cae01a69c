package agent

import (
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
)

// doubts are names to look at, each once however often it is given.
type doubts struct {
	mu    sync.Mutex
	names sets.Set[string]
	// some holds a token when there are names.
	some chan struct{}
}

func newDoubts() doubts { return doubts{names: sets.Set[string]{}, some: make(chan struct{}, 1)} }

// add never blocks.
func (d *doubts) add(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names.Insert(name)
	select {
	case d.some <- struct{}{}:
	default:
	}
}

// take returns the names, and forgets them.
func (d *doubts) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := sets.List(d.names)
	d.names.Clear()
	return names
}
