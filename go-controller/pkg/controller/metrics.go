package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/woven-network/woven/go-controller/pkg/config"
)

// registerMetrics registers what is measured when it is asked for. The engine has metrics of its own.
func (c *controller) registerMetrics() {
	gauge := func(name, help string, value func() float64) {
		c.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "woven", Subsystem: "controller", Name: name, Help: help}, value))
	}
	gauge("leader", "1 in the process that writes to the Northbound database, 0 in one that stands by.", func() float64 {
		if c.desired.Load() != nil {
			return 1
		}
		return 0
	})
	c.metrics.MustRegister(c.problems)
	gauge("stale_chassis", "Chassis without a Node object. Remove those of machines that are gone: ovn-sbctl chassis-del <name>.", func() float64 {
		return float64(len(c.staleChassis()))
	})
	gauge("nodes_without_gateway", "Nodes whose agent has not told how they meet the world; their pods reach nothing outside.", func() float64 {
		view, missing := c.view.Load(), 0
		if view != nil {
			for _, n := range view.Nodes() {
				if c.gateways.of(n.Name).IsZero() {
					missing++
				}
			}
		}
		return float64(missing)
	})
	c.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "woven", Name: "build_info", Help: "1; the label has the version.", ConstLabels: prometheus.Labels{"version": config.Version},
	}, func() float64 { return 1 }))
}
