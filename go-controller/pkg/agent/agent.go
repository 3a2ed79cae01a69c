package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/woven-network/woven/go-controller/pkg/agent/attach"
	"github.com/woven-network/woven/go-controller/pkg/agent/bridge"
	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// Options are what the agent is told.
type Options struct {
	// Node is the Node's name; IPs are its addresses (status.hostIPs), at most one of each family.
	Node string
	IPs  []netip.Addr
	// Config is the cluster's configuration.
	Config *config.Parsed
	// OVSRunDir is where ovs-vswitchd and its ovsdb-server have their sockets: "/run/openvswitch".
	OVSRunDir string
	// Socket is where the CNI shim is answered, ConfDir where the container runtime reads configurations.
	Socket, ConfDir string
	// BinDir is where Uninstall removes the shim.
	BinDir string
	// Endpoints are where metrics, probes and profiles are served.
	Endpoints endpoint.Addresses
	Log       logr.Logger
}

// ParseIPs reads the form of the environment variable NODE_IPS, "192.0.2.11,2001:db8::b"; IPv4 goes first.
func ParseIPs(text string) ([]netip.Addr, error) {
	var ips []netip.Addr
	for _, w := range strings.Split(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(w))
		if err != nil {
			return nil, fmt.Errorf("NODE_IPS: %q is not an address; set it from status.hostIPs of the pod: %w", w, err)
		}
		if slices.ContainsFunc(ips, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
			return nil, fmt.Errorf("NODE_IPS: %q has two addresses of one family; write at most one of each", text)
		}
		ips = append(ips, a.Unmap())
	}
	slices.SortFunc(ips, kernel.CompareFamily)
	return ips, nil
}

// Run is the agent, until ctx ends. It leaves everything as it is when it returns: an agent that is replaced is not
// noticed by pods.
func Run(ctx context.Context, o Options) error {
	group, ctx := errgroup.WithContext(ctx)
	n := &node{
		name: o.Node, ips: o.IPs, config: o.Config, log: o.Log, flows: bridge.NewSwitch(), conflist: o.ConfDir,
		switchSocket: filepath.Join(o.OVSRunDir, nodelink.ExternalBridge+".mgmt"),
		wakeup:       make(chan struct{}, 1), doubted: newDoubts(),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	register(registry, n)
	health := endpoint.Health{Healthy: because(n.stuck), Ready: because(n.Why)}
	if err := o.Endpoints.Serve(ctx, registry, health, o.Log.WithName("endpoint")); err != nil {
		return err
	}
	group.Go(func() error { return runNode(ctx, o, n, registry) })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// runNode connects to the databases and runs the loop, the CNI server and the watchers of events.
func runNode(ctx context.Context, o Options, n *node, registry prometheus.Registerer) error {
	// Open vSwitch may be away, database and all, and nothing else would bring the node's network back.
	dialing, dialed := context.WithCancel(ctx)
	go n.keepRescuing(dialing)
	local, err := ovs.Dial(ctx, "unix:"+filepath.Join(o.OVSRunDir, "db.sock"), o.Log)
	dialed()
	if err != nil {
		return err
	}
	defer local.Close()
	n.local = local
	s := attach.New(attach.Options{Log: o.Log, Local: local, Node: n, Registry: registry, Userspace: n.userspace(), ConfDir: o.ConfDir})
	n.pods = s
	s.HearLocal()
	listenLocal(local, n.wake, n.doubted.add)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		n.run(ctx)
		return nil
	})
	group.Go(func() error {
		bridge.Watch(ctx, n.switchSocket, func() {
			n.restarted.Store(true)
			n.wake()
		})
		return nil
	})
	// Not before the loop: the way to the Southbound database may be what the loop has to restore.
	group.Go(func() error {
		south, err := southbound.Dial(ctx, o.Config.OVN, o.Node, o.Log)
		if err != nil {
			return err
		}
		defer south.Close()
		s.HearSouthbound(south)
		listenSouthbound(south, n.wake)
		n.south.Store(south)
		n.wake()
		for {
			err := south.Evict(ctx, n.name, n.ips[0], o.Log)
			if err == nil {
				break
			}
			o.Log.Info("looking again for a chassis with this machine's tunnel address", "reason", err.Error())
			if !pause.For(ctx, retryInterval) {
				return nil
			}
		}
		<-ctx.Done()
		return nil
	})
	group.Go(func() error { return watchKernelAlways(ctx, n.wake, n.doubted.add, o.Log) })
	group.Go(func() error {
		l, err := cni.Listen(o.Socket)
		if err != nil {
			return fmt.Errorf("CNI socket: %w", err)
		}
		return cni.Serve(ctx, l, s.Handle)
	})
	return group.Wait()
}

// keepRescuing looks after the NIC until ctx ends, when there is no loop yet that does.
func (n *node) keepRescuing(ctx context.Context) {
	n.turning.Lock()
	defer n.turning.Unlock()
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for first := true; ctx.Err() == nil; first = false {
		if _, err := n.rescue(); err != nil {
			n.report(fmt.Errorf("give the NIC its addresses: %w", err))
		} else if !first {
			n.report(errNoDatabase)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// watchKernelAlways subscribes again after events were lost.
func watchKernelAlways(ctx context.Context, wake func(), doubt func(hostEnd string), log logr.Logger) error {
	for {
		err := kernel.Watch(ctx, attach.IsHostEnd, wake, doubt)
		if ctx.Err() != nil {
			return nil
		}
		log.Info("watching the kernel again", "reason", fmt.Sprint(err))
		if !pause.For(ctx, retryInterval) {
			return nil
		}
	}
}

// because makes a check of what says a reason, empty when all is well.
func because(reason func() string) func() error {
	return func() error {
		if text := reason(); text != "" {
			return errors.New(text)
		}
		return nil
	}
}
