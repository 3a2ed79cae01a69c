package nbsync

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an administrator watches of the engine.
type metrics struct {
	transactions *prometheus.CounterVec
	operations   *prometheus.CounterVec
	failures     *prometheus.CounterVec
	drift        *prometheus.CounterVec
	size         prometheus.Histogram
	duration     prometheus.Histogram
	latency      prometheus.Histogram
	queue        prometheus.Gauge
	strangers    *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, b *board) (*metrics, error) {
	const namespace, subsystem = "woven", "nbsync"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets,
		})
	}
	m := &metrics{
		transactions: counter("transactions_total", "Transactions sent to the Northbound database, by result.", "result"),
		operations:   counter("operations_total", "Operations carried out, by table and kind.", "table", "kind"),
		failures:     counter("failures_total", "Failed tries of owners, by the state that followed.", "kind"),
		drift:        counter("drift_operations_total", "Operations that an audit found necessary, by table. A healthy engine has none.", "table"),
		size:         histogram("transaction_operations", "Operations of one transaction.", prometheus.ExponentialBuckets(1, 2, 12)),
		duration:     histogram("transaction_seconds", "Time from sending a transaction to its reply.", prometheus.ExponentialBuckets(0.0005, 2, 15)),
		latency:      histogram("sync_seconds", "Time from marking an owner until the owner is in sync with the database.", prometheus.ExponentialBuckets(0.001, 2, 16)),
		queue:        gauge("queued_owners", "Owners to be looked at."),
		strangers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "foreign_rows",
			Help: "Rows of the Northbound database that are not Woven's, by table. Woven leaves them as they are.",
		}, []string{"table"}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.transactions, m.operations, m.failures, m.drift, m.size, m.duration, m.latency, m.queue, m.strangers, b,
	} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// transaction counts a transaction that was sent.
func (m *metrics) transaction(p Plan, took time.Duration, err error) {
	m.size.Observe(float64(len(p.Ops)))
	m.duration.Observe(took.Seconds())
	if err != nil {
		m.transactions.WithLabelValues("refused").Inc()
		return
	}
	m.transactions.WithLabelValues("committed").Inc()
	for _, op := range p.Ops {
		m.operations.WithLabelValues(op.ID.Table, string(op.Kind)).Inc()
	}
}
