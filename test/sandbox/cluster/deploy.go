package cluster

import (
	"context"
	"fmt"

	"github.com/woven-network/woven/test/sandbox/addon"
	"github.com/woven-network/woven/test/sandbox/image"
)

func (c *Cluster) deployCoreDNS(ctx context.Context) error {
	built, err := c.image(image.CoreDNS)
	if err != nil {
		return err
	}
	text, err := addon.CoreDNS(built.Ref(), c.DNS())
	if err != nil {
		return err
	}
	return c.runKubectl(ctx, text, "apply", "--server-side", "--force-conflicts", "-f", "-")
}

// image finds one of the images that the sandbox built.
func (c *Cluster) image(name string) (image.Built, error) {
	for _, i := range c.images {
		if i.Name == name {
			return i, nil
		}
	}
	return image.Built{}, fmt.Errorf("image %s was not built", name)
}
