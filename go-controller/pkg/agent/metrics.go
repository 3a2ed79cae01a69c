package agent

import "github.com/prometheus/client_golang/prometheus"

// register registers the metrics of the loop. All of an agent are below woven_node_.
func register(r prometheus.Registerer, n *node) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "woven_node_ready", Help: "1 when the node's network is ready for pods.",
	}, func() float64 {
		if n.Why() == "" {
			return 1
		}
		return 0
	}), prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "woven_node_turns_total", Help: "Times that everything on the node was compared with what it should be; pods cause none.",
	}, func() float64 { return float64(n.turns.Load()) }))
}
