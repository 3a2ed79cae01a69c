package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sync/errgroup"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/image"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
	"github.com/woven-network/woven/test/sandbox/step"
)

// Up brings the sandbox up. Every step looks whether it is done, so that Up may be interrupted and run again.
func (c *Cluster) Up(ctx context.Context) error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	unlock, err := c.cache.Lock(c.out)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.claim(); err != nil {
		return err
	}
	steps := append(c.preparation(), []step.Step{
		{Title: "build the cluster's images", Do: c.clusterImages},
		{Title: "start the machines", Do: c.startMachines},
		{Title: "lay the underlay network", Do: c.layNetwork},
		{Title: "start the world outside", Do: c.startOutside},
		{Title: "make certificates", Do: c.certificates},
		{Title: "start the control plane", Log: machine.Log(plan.ControlPlane, kube.APIServer), Do: c.startControlPlane},
		{Title: "give every node the cluster's images", Do: c.fillNodes},
		{Title: "start containerd on every node", Do: c.startContainerd},
		{Title: "import images that changed", Do: c.importImages},
		{Title: "start kubelet on every node", Do: c.startKubelets},
		{Title: "deploy CoreDNS", Do: c.deployCoreDNS},
	}...)
	if c.Woven {
		steps = append(steps, c.wovenSteps()...)
	}
	if err := step.Run(ctx, c.out, steps); err != nil {
		return err
	}
	c.tellWhatNext()
	return nil
}

// Prepare does the part of Up that touches nothing but packages and the cache; unit tests need its results too.
func (c *Cluster) Prepare(ctx context.Context) error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	return step.Run(ctx, c.out, c.preparation())
}

func (c *Cluster) preparation() []step.Step {
	return []step.Step{
		{Title: "look at the kernel", Do: c.checkKernel},
		{Title: "install missing Debian packages", Log: c.cache.Log("packages"), Do: c.packages},
		{Title: "build Kubernetes, CoreDNS, Debian's root file system", Do: c.prerequisites},
	}
}

func mustBeRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("the sandbox makes namespaces and cgroups: run it as root, for example by `sudo -E make up`")
	}
	return nil
}

// checkKernel finds out now what would else be a puzzle in some log.
func (c *Cluster) checkKernel(ctx context.Context) error {
	if c.Datapath != "system" {
		return nil
	}
	if _, err := os.Stat("/sys/module/openvswitch"); err == nil {
		return nil
	}
	if out, err := exec.CommandContext(ctx, "modprobe", "openvswitch").CombinedOutput(); err != nil {
		return fmt.Errorf("DATAPATH=system needs the kernel module openvswitch: %w: %s; DATAPATH=netdev does without", err, bytes.TrimSpace(out))
	}
	return nil
}

func (c *Cluster) packages(ctx context.Context) error { return deps.Packages(ctx, c.cache) }

// prerequisites builds what takes minutes the first time and is kept in the cache. Compiling waits for processors,
// debootstrap for the network: they go on at once.
func (c *Cluster) prerequisites(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if c.programs.Kubernetes, err = deps.Kubernetes(ctx, c.cache, c.repo); err != nil {
			return err
		}
		c.programs.Addons, err = deps.Addons(ctx, c.cache, c.repo)
		return err
	})
	g.Go(func() error {
		_, err := image.Rootfs(ctx, c.cache)
		return err
	})
	return g.Wait()
}

func (c *Cluster) clusterImages(ctx context.Context) error {
	rootfs, err := image.Rootfs(ctx, c.cache)
	if err != nil {
		return err
	}
	c.images, err = image.Builder{Cache: c.cache}.BuildCluster(ctx, rootfs, c.programs)
	return err
}

func (c *Cluster) tellWhatNext() {
	fmt.Fprint(c.out, `
The cluster is up. Try:

  eval "$(make -s env)"                     kubectl and KUBECONFIG for this shell
  kubectl get nodes,pods -A -o wide
  kubectl run a --image=localhost/agnhost:dev -- netexec --http-port=8080
  kubectl exec -it a -- bash
  make shell NODE=worker-1                  inside a node; NODE=external is a host outside, with an
                                            echo server at external.sandbox.test:8080/clientip
  make status                               what runs, and where its logs are
  make down
`)
}
