package cluster

import (
	"fmt"
	"io"
	"time"

	"github.com/woven-network/woven/test/sandbox/machine"
)

// Down ends the sandbox, whatever state it is in, and removes all that it keeps but the cache.
func Down(out io.Writer) error {
	start := time.Now()
	if err := machine.RemoveAll(); err != nil {
		return err
	}
	fmt.Fprintf(out, "The sandbox is down (%s). The cache is kept.\n", time.Since(start).Round(time.Millisecond))
	return nil
}
