package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Load imports an image archive into every node.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	path, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	err = c.onNodes(ctx, func(_ context.Context, _ plan.Machine, m machine.Machine) error { return importArchive(m, path) })
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is on all %d nodes; pods that use it want imagePullPolicy IfNotPresent or Never.\n", archive, len(c.Nodes))
	return nil
}
