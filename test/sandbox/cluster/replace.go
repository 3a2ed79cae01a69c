package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/pki"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Replace ends a worker at once, throws its disks away, and brings up another machine of the same name whose addresses
// end in host. The Node object stays, as it does when a machine is replaced and nobody tells Kubernetes.
func (c *Cluster) Replace(ctx context.Context, name string, host int) error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	o := c.Options
	o.Hosts = maps.Clone(o.Hosts)
	if o.Hosts == nil {
		o.Hosts = map[string]int{}
	}
	o.Hosts[name] = host
	p, err := plan.New(o)
	if err != nil {
		return err
	}
	if err := machine.Remove(name); err != nil {
		return err
	}
	// The kubelet's certificate is for its addresses.
	kubelet := kube.KubeletName(name)
	for _, file := range []string{pki.CertFile(pkiDir, kubelet), pki.KeyFile(pkiDir, kubelet)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := os.WriteFile(optionsFile, text, 0o644); err != nil {
		return err
	}
	c.Plan = p
	return c.Up(ctx)
}

// adopt takes over from the options of the sandbox that is up what is no option of `up`: addresses of machines that
// were replaced.
func (c *Cluster) adopt(old []byte) error {
	var up plan.Options
	if err := json.Unmarshal(old, &up); err != nil {
		return fmt.Errorf("%s: %w; `make down` clears it", optionsFile, err)
	}
	if c.Hosts != nil || up.Hosts == nil {
		return nil
	}
	o := c.Options
	o.Hosts = up.Hosts
	p, err := plan.New(o)
	if err != nil {
		return err
	}
	c.Plan = p
	return nil
}
