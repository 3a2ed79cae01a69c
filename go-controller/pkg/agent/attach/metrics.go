package attach

import (
	"errors"
	"strconv"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of CNI commands.
type metrics struct {
	commands *prometheus.HistogramVec
	parts    *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	// From a millisecond to half a minute.
	buckets := prometheus.ExponentialBuckets(0.001, 2, 16)
	m := &metrics{
		commands: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "woven_node_cni_command_seconds", Buckets: buckets,
			Help: "Time of CNI commands by command and error code of the CNI specification (0: success).",
		}, []string{"command", "code"}),
		parts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "woven_node_cni_add_part_seconds", Buckets: buckets,
			Help: "Time of the parts of CNI ADD: port_binding (waiting for the controller and northd) and interfaces, then side by side addresses and flows (waiting for ovn-controller).",
		}, []string{"part"}),
	}
	r.MustRegister(m.commands, m.parts)
	return m
}

func (m *metrics) command(name string, err error, took time.Duration) {
	code := uint(0)
	var coded *types.Error
	switch {
	case errors.As(err, &coded):
		code = coded.Code
	case err != nil:
		code = types.ErrInternal
	}
	m.commands.WithLabelValues(name, strconv.FormatUint(uint64(code), 10)).Observe(took.Seconds())
}

// part measures from its call to the call of what it returns.
func (m *metrics) part(name string) (done func()) {
	start := time.Now()
	return func() { m.parts.WithLabelValues(name).Observe(time.Since(start).Seconds()) }
}
