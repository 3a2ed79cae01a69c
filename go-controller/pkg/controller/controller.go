// Package controller turns the cluster's objects into Northbound rows: an event of the API server marks the owners
// that it affects, the engine asks for their rows, translators answer. Here these are wired up; what rows
// there should be is the translators' matter, and how they get into the database is nbsync's.
package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nbsync"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// Options says what a controller works with.
type Options struct {
	// Config is the cluster's configuration.
	Config *config.Parsed
	// Client reaches the API server.
	Client *kube.Client
	// LeaseNamespace is the namespace of the Lease that the leader holds.
	LeaseNamespace string
	// Endpoints are where metrics, probes and profiles are served.
	Endpoints endpoint.Addresses
	// Log receives everything.
	Log logr.Logger

	// Read is called once, when the cluster and the databases have been read.
	Read func()
	// Settled is called when what a start takes has been taken: when a leadership has brought the database in accord,
	// and once some time after everything was read, for another process may lead.
	Settled func()

	// problemGrace is how long a problem lasts before it becomes an Event; 0 means 15 s.
	problemGrace time.Duration
}

// writerLock is the lock in the Northbound database that the writer holds (ovsdb.Fenced).
const writerLock = "woven_controller"

// controller is the state of a process; a leadership's is in desired.
type controller struct {
	Options
	view     atomic.Pointer[kube.View]
	gateways *gateways
	problems *problems
	metrics  *prometheus.Registry
	election *election
	// southbound and northbound are set when the databases have been reached for the first time.
	southbound, northbound atomic.Bool
	// engine is there before desired is.
	engine *nbsync.Engine
	// desired is that of the present leadership; nil while another process leads.
	desired atomic.Pointer[desired]
}

// Run works until ctx ends. Any number of processes may run; one of them leads and writes, the others hold their view
// of the cluster ready. The error says why it cannot go on.
func Run(ctx context.Context, o Options) error {
	if o.Read == nil {
		o.Read = func() {}
	}
	if o.Settled == nil {
		o.Settled = func() {}
	}
	if o.problemGrace == 0 {
		o.problemGrace = 15 * time.Second
	}
	name, err := identity()
	if err != nil {
		return err
	}
	e := &election{leases: o.Client.Leases(o.LeaseNamespace), identity: name, log: o.Log}
	c := &controller{Options: o, metrics: prometheus.NewRegistry(), election: e}
	c.gateways = newGateways(o.Log.WithName("chassis"), func(node string) { c.mark(topology.Owner(node)) })
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(o.Client.Events)
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(kube.Scheme, corev1.EventSource{Component: "woven-controller"})
	c.problems = newProblems(recorder, c.object, o.problemGrace)
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c.registerMetrics()
	if err := o.Endpoints.Serve(ctx, c.metrics, endpoint.Health{Healthy: c.healthy, Ready: c.ready}, o.Log.WithName("endpoint")); err != nil {
		return err
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	northbound, err := c.read(ctx, stop)
	if err != nil {
		return err
	}
	defer northbound.Close()
	o.Read()
	defer time.AfterFunc(2*leaseDuration, o.Settled).Stop()
	fenced := northbound.Fence(writerLock, e.confirm)
	c.engine, err = nbsync.New(nbsync.Options{
		Client: fenced, Log: o.Log.WithName("nbsync"), Registerer: c.metrics,
		Prepare:  func(owner row.Owner) error { return c.desired.Load().prepare(owner) },
		Source:   c.rows,
		Owners:   c.owners,
		Report:   func(owner row.Owner, s nbsync.Status) { c.desired.Load().report(owner, s) },
		Priority: kinds.priority,
	})
	if err != nil {
		return err
	}
	return e.lead(ctx, func(ctx context.Context) error { return c.work(ctx, fenced) })
}

// read reads the cluster and both databases side by side, for that is most of what a start takes, and follows them until
// ctx ends. What fails for good calls stop, and the first of these errors is returned. When ctx ends before, the error
// tells of all that could not be read.
func (c *controller) read(ctx context.Context, stop func(error)) (northbound *ovsdb.Replica, err error) {
	var (
		reading sync.WaitGroup
		mu      sync.Mutex
		errs    []error
	)
	read := func(f func() error) {
		reading.Go(func() {
			if err := f(); err != nil {
				stop(err)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	read(func() error {
		view, err := kube.Watch(ctx, c.Client, c.changed)
		if err != nil {
			return fmt.Errorf("kube-apiserver: %w", err)
		}
		c.view.Store(view)
		return nil
	})
	read(func() error {
		if err := c.gateways.watch(ctx, c.Config.OVN); err != nil {
			return err
		}
		c.southbound.Store(true)
		return nil
	})
	read(func() error {
		target, err := ovsdb.Northbound(c.Config.OVN)
		if err != nil {
			return err
		}
		northbound, err = ovsdb.Replicate(ctx, target, c.Log.WithName("northbound"))
		c.northbound.Store(err == nil)
		return err
	})
	reading.Wait()
	if len(errs) == 0 {
		return northbound, nil
	}
	if northbound != nil {
		northbound.Close()
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return nil, cause
	}
	return nil, errors.Join(errs...)
}

// work is what the leader does.
func (c *controller) work(ctx context.Context, northbound *ovsdb.Fenced) error {
	view := c.view.Load()
	c.Log.Info("leading", "nodes", len(view.Nodes()), "pods", view.PodCount(), "services", len(view.Services()))
	d := newDesired(kinds, c.Config, view, c.gateways, c.problems, c.mark)
	// From here on no former leader writes, and the cache shows all that they have written.
	defer northbound.Release()
	held, err := c.holdings(ctx, northbound, view)
	if err != nil {
		return err
	}
	d.restore(held, c.Log)
	// From here on changes reach the engine. Those before are in the view already, and Run looks at everything.
	c.desired.Store(d)
	defer func() {
		c.desired.Store(nil)
		c.problems.forget()
	}()
	go func() {
		if c.engine.Wait(ctx) == nil {
			d.synced.Store(true)
			c.Log.Info("in accord with the Northbound database")
			c.Settled()
		}
	}()
	return c.engine.Run(ctx)
}

// holdings returns what the database holds when the View is as new as that. A connection that is lost meanwhile is waited for:
// what was read over it may be of the past.
func (c *controller) holdings(ctx context.Context, northbound *ovsdb.Fenced, view *kube.View) (found, error) {
	for {
		session, err := northbound.Session(ctx)
		if err != nil {
			return found{}, err
		}
		held := holdings(northbound.Cache())
		err = catchUp(session, c.Client, view, held.ports, c.Log)
		switch {
		case ctx.Err() != nil:
			return found{}, ctx.Err()
		case err == nil && session.Err() == nil:
			return held, nil
		}
	}
}

// rows is the engine's Source. A process that stands by has no answer; a plan can be asked of the leader only.
func (c *controller) rows(owner row.Owner) ([]row.Row, error) {
	if d := c.desired.Load(); d != nil {
		return d.rows(owner)
	}
	return nil, errors.New("this process stands by and does not know which rows should exist; ask the leader")
}

func (c *controller) owners() []row.Owner {
	if d := c.desired.Load(); d != nil {
		return d.owners()
	}
	return nil
}

// changed is called for every change of an object.
func (c *controller) changed(change kube.Change) {
	d := c.desired.Load()
	if d == nil {
		return // Another process leads. What is in the View when this one does is looked at then.
	}
	c.mark(d.affected(change)...)
	// Whether a pod's problem is solved may show in its status, of which no row is made.
	if _, after, _ := kube.As[*kube.Pod](change); after != nil {
		if owner := pod.Owner(after.Namespace, after.Name); c.problems.has(subject{owner: owner}) {
			c.mark(owner)
		}
	}
}

func (c *controller) mark(owners ...row.Owner) {
	if c.desired.Load() != nil && len(owners) > 0 {
		c.engine.Mark(owners...)
	}
}

// object returns the object that an owner is made from, as Events name it.
func (c *controller) object(owner row.Owner) corev1.ObjectReference {
	reference, _ := kinds.object(kind.Input{View: c.view.Load(), Config: c.Config}, owner)
	return reference
}

func (c *controller) healthy() error { return c.election.healthy() }

// ready: a standby is as ready as can be; a leader is when everything it found at its start is written.
func (c *controller) ready() error {
	switch {
	case c.view.Load() == nil:
		return errNotYet
	case !c.southbound.Load():
		return errNoSouthbound
	case !c.northbound.Load():
		return errNoNorthbound
	}
	if d := c.desired.Load(); d != nil && !d.synced.Load() {
		return errNotWritten
	}
	return nil
}

// staleChassis returns the chassis that have no Node object: machines that vanished without stopping ovn-controller.
// They are not deleted here. The controller writes to the Northbound database alone, and if a Node object was
// deleted by mistake, its chassis is what the running pods there depend on.
func (c *controller) staleChassis() []string {
	view := c.view.Load()
	if view == nil {
		return nil
	}
	return slices.DeleteFunc(c.gateways.names(), func(name string) bool { return view.Node(name) != nil })
}
