package controller

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// gateways knows what nodes told of their gateways. A node's last word counts for as long as its Node object exists:
// ovn-controller takes the chassis away when it stops, and that must not tear down what runs.
type gateways struct {
	log     logr.Logger
	changed func(node string)

	mu sync.Mutex
	// chassis maps the name of a chassis in the Southbound database, which is the node's, to what its row says.
	chassis map[string]told
	// known maps a node to the last that is known of it.
	known map[string]nodelink.Gateway
}

// told is what a row of the Chassis table says.
type told struct {
	uuid    string
	gateway nodelink.Gateway
}

func newGateways(log logr.Logger, changed func(node string)) *gateways {
	return &gateways{log: log, changed: changed, chassis: map[string]told{}, known: map[string]nodelink.Gateway{}}
}

// of returns a node's gateway; zero if its agent has never told.
func (g *gateways) of(node string) nodelink.Gateway {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[node]
}

// forget drops what is known of a node that is no more. What its chassis says stays, should the node come back.
func (g *gateways) forget(node string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reset(node)
}

// forgetAll drops what is known of all nodes but what their chassis say: another leader may have known better since.
func (g *gateways) forgetAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for node := range g.known {
		g.reset(node)
	}
}

// reset makes known what a node's chassis says now. The caller holds g.mu.
func (g *gateways) reset(node string) {
	if now := g.chassis[node].gateway; !now.IsZero() {
		g.known[node] = now
	} else {
		delete(g.known, node)
	}
}

// remember sets what is known of a node from before.
func (g *gateways) remember(node string, was nodelink.Gateway) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known[node] = was
}

// names returns the names of all chassis.
func (g *gateways) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for name := range g.chassis {
		all = append(all, name)
	}
	return all
}

// set notes what a chassis' row says.
func (g *gateways) set(name, uuid, options string) {
	now, err := nodelink.ParseGateway(options)
	if err != nil {
		g.log.Error(err, "a chassis tells nonsense of its gateway; what was known stays", "chassis", name)
	}
	g.mu.Lock()
	before, had := g.chassis[name]
	g.chassis[name] = told{uuid: uuid, gateway: now}
	if !now.IsZero() {
		g.known[name] = now
	}
	g.mu.Unlock()
	if !had || !before.gateway.Equal(now) {
		g.changed(name)
	}
}

// unset notes that a chassis' row is gone. A row that has taken its place in the same transaction may have been seen
// before.
func (g *gateways) unset(name, uuid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.chassis[name].uuid == uuid {
		delete(g.chassis, name)
	}
}

// watch follows the Chassis table of the Southbound database until ctx ends, reading only. It returns once
// everything there is known.
func (g *gateways) watch(ctx context.Context, c config.OVN) error {
	target, err := ovsdb.Southbound(c)
	if err != nil {
		return err
	}
	southbound, err := ovsdb.Dial(ctx, target, g.log, client.WithTable(&sb.Chassis{}))
	if err != nil {
		return fmt.Errorf("chassis: %w", err)
	}
	context.AfterFunc(ctx, southbound.Close)
	southbound.Cache().AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(_ string, m model.Model) { g.seen(m) },
		UpdateFunc: func(_ string, _, m model.Model) { g.seen(m) },
		DeleteFunc: func(_ string, m model.Model) {
			if chassis, ok := m.(*sb.Chassis); ok {
				g.unset(chassis.Name, chassis.UUID)
			}
		},
	})
	var all []sb.Chassis
	if err := southbound.List(ctx, &all); err != nil {
		return fmt.Errorf("chassis: %w", err)
	}
	for i := range all {
		g.seen(&all[i])
	}
	return nil
}

func (g *gateways) seen(m model.Model) {
	if chassis, ok := m.(*sb.Chassis); ok {
		g.set(chassis.Name, chassis.UUID, chassis.OtherConfig[nodelink.OptionsKey])
	}
}
