package ovsdb

import (
	"context"
	"errors"
	"time"

	"github.com/ovn-kubernetes/libovsdb/client"
)

// probeInterval is the time between two questions whether the server still answers. A host that loses its power says
// nothing, and TCP notices only after minutes.
var probeInterval = 10 * time.Second

// probe asks the server for an echo (RFC 7047, section 4.1.11) from time to time and ends a connection that does not
// give one. libovsdb 0.8.1 has such a probe, but it panics ("send on closed channel") when a connection breaks
// while a transaction's reply comes in, and cannot end a connection on which a transaction waits.
func (c *Client) probe(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		losses := c.sessions.lost()
		if c.CurrentEndpoint() == "" { // Waits for an attempt to reconnect that is under way.
			continue
		}
		answer, cancel := context.WithTimeout(ctx, interval)
		err := c.Echo(answer)
		cancel()
		if err == nil || ctx.Err() != nil || errors.Is(err, client.ErrNotConnected) {
			continue
		}
		// First the session: whoever waits for a reply holds the lock that Disconnect needs.
		if c.sessions.lose(losses) {
			c.Disconnect()
		}
	}
}
