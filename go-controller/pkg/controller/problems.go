package controller

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// subject is what a problem is about.
type subject struct {
	owner row.Owner
	// part tells problems of one owner apart that come and go on their own: "" for those of the object itself, "rows" for
	// what keeps its rows out of the database.
	part string
}

// problems turns what an administrator must act on into Kubernetes Events: one when a problem begins, or becomes
// another, and none while it lasts.
type problems struct {
	recorder record.EventRecorder
	// object returns the object that an owner is made from. Its UID is that of now; kubectl describe finds an Event by it.
	object func(row.Owner) corev1.ObjectReference
	// grace is how long a problem must last before it is told. A node has no podCIDR in its first seconds.
	grace time.Duration

	mu sync.Mutex
	// open maps a subject to its problem and the timer that will tell it.
	open map[subject]*problem
}

type problem struct {
	reason, message string
	timer           *time.Timer
}

func newProblems(recorder record.EventRecorder, object func(row.Owner) corev1.ObjectReference, grace time.Duration) *problems {
	return &problems{recorder: recorder, object: object, grace: grace, open: map[subject]*problem{}}
}

// found says that an object has this problem now.
func (p *problems) found(about subject, reason, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.open[about]; old != nil {
		if old.reason == reason && old.message == message {
			return
		}
		old.timer.Stop()
	}
	p.open[about] = &problem{reason: reason, message: message, timer: time.AfterFunc(p.grace, func() {
		object := p.object(about.owner)
		p.recorder.Event(&object, corev1.EventTypeWarning, reason, message)
	})}
}

// solved says that an object has no problem.
func (p *problems) solved(about subject) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.open[about]; old != nil {
		old.timer.Stop()
		delete(p.open, about)
	}
}

// forget says that nothing is known of any object any more.
func (p *problems) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, old := range p.open {
		old.timer.Stop()
	}
	clear(p.open)
}

// has tells whether an object has a problem.
func (p *problems) has(about subject) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[about] != nil
}

// count returns how many objects have a problem.
func (p *problems) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

var problemsMetric = prometheus.NewDesc("woven_controller_problems",
	"Objects that have a problem an administrator must act on, by their kind and the problem; their Events say more.", []string{"kind", "reason"}, nil)

// Describe implements prometheus.Collector.
func (p *problems) Describe(all chan<- *prometheus.Desc) { all <- problemsMetric }

// Collect implements prometheus.Collector. A problem that nobody has is not there.
func (p *problems) Collect(all chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := map[[2]string]int{} // of kind and reason
	for about, is := range p.open {
		count[[2]string{p.object(about.owner).Kind, is.reason}]++
	}
	for labels, n := range count {
		all <- prometheus.MustNewConstMetric(problemsMetric, prometheus.GaugeValue, float64(n), labels[0], labels[1])
	}
}
