package nbsync

import (
	"sync"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// inbox is where other goroutines leave what the engine should look at. Nothing in it ever blocks.
type inbox struct {
	// signal has an element while there is something to take.
	signal chan struct{}

	mu     sync.Mutex
	marked map[row.Owner]struct{}
	all    bool
	events []event
	// idle holds those who wait until the engine has nothing to do.
	idle []chan struct{}
	// open says that somebody takes events out.
	open bool
	// heard is the cache whose events come in.
	heard *cache.TableCache
}

// event is a change of a row in libovsdb's cache; old or new is nil for a row that comes or goes.
type event struct {
	table    string
	old, new model.Model
}

func newInbox() *inbox {
	return &inbox{signal: make(chan struct{}, 1), marked: map[row.Owner]struct{}{}}
}

func (i *inbox) wake() {
	select {
	case i.signal <- struct{}{}:
	default:
	}
}

func (i *inbox) mark(owners ...row.Owner) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, o := range owners {
		i.marked[o] = struct{}{}
	}
	i.wake()
}

func (i *inbox) markAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = true
	i.wake()
}

// listen begins to take in the cache's events. libovsdb keeps a handler for ever, so it is given one only once.
func (i *inbox) listen(c *cache.TableCache) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open = true
	if i.heard != c {
		i.heard = c
		c.AddEventHandler(i.handler())
	}
}

// close lets the cache's events pass by.
func (i *inbox) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open, i.events = false, nil
}

func (i *inbox) add(e event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open {
		i.events = append(i.events, e)
		i.wake()
	}
}

// forget drops the events that have come: what they tell is in the copy that is read next.
func (i *inbox) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events = nil
}

// take returns what has come, and leaves the inbox empty.
func (i *inbox) take() (marked map[row.Owner]struct{}, all bool, events []event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	marked, all, events = i.marked, i.all, i.events
	i.marked, i.all, i.events = map[row.Owner]struct{}{}, false, nil
	return marked, all, events
}

// whenIdle returns a channel that is closed when the engine next has nothing to do.
func (i *inbox) whenIdle() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := make(chan struct{})
	i.idle = append(i.idle, c)
	i.wake()
	return c
}

// rest tells those who wait that there is nothing to do, unless something has come meanwhile.
func (i *inbox) rest() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.marked) > 0 || i.all || len(i.events) > 0 {
		return
	}
	for _, c := range i.idle {
		close(c)
	}
	i.idle = nil
}

// handler passes on the cache's events. libovsdb calls it from one goroutine.
func (i *inbox) handler() cache.EventHandler {
	return &cache.EventHandlerFuncs{
		AddFunc:    func(table string, m model.Model) { i.add(event{table: table, new: m}) },
		UpdateFunc: func(table string, old, m model.Model) { i.add(event{table: table, old: old, new: m}) },
		DeleteFunc: func(table string, m model.Model) { i.add(event{table: table, old: m}) },
	}
}
