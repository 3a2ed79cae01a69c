package attach

import (
	"context"
	"sync"
)

// news wakes those who wait for a change of one row, such as a CNI ADD for its pod's Port_Binding. It carries no
// content: who is woken looks at the cache again.
type news struct {
	mu sync.Mutex
	// waiting maps a topic to the channels of those who wait for it.
	waiting map[string]map[chan struct{}]bool
}

func newNews() *news { return &news{waiting: map[string]map[chan struct{}]bool{}} }

// readyTopic is the node's being ready.
const readyTopic = "ready"

// Topics of rows.
func bindingTopic(logicalPort string) string { return "binding " + logicalPort }
func interfaceTopic(name string) string      { return "interface " + name }

// tell wakes all who wait for a topic.
func (n *news) tell(topic string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.waiting[topic] {
		select {
		case c <- struct{}{}:
		default: // It is already about to look.
		}
	}
}

// await returns nil as soon as done returns true, which it is asked at once and after every tell; or ctx's error, or
// done's.
func (n *news) await(ctx context.Context, topic string, done func() (bool, error)) error {
	c := make(chan struct{}, 1)
	n.subscribe(topic, c)
	defer n.unsubscribe(topic, c)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *news) subscribe(topic string, c chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting[topic] == nil {
		n.waiting[topic] = map[chan struct{}]bool{}
	}
	n.waiting[topic][c] = true
}

func (n *news) unsubscribe(topic string, c chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting[topic], c)
	if len(n.waiting[topic]) == 0 {
		delete(n.waiting, topic)
	}
}
