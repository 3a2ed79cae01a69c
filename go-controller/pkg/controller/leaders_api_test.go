//go:build apiserver

package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/test/child"
)

// processEnvironment names the variable that makes this test binary a controller: only another process can be paused.
const processEnvironment = "WOVEN_TEST_CONTROLLER"

// processOptions are a controller's, as that variable has them.
type processOptions struct {
	Config string
	API    string
	TLS    rest.TLSClientConfig
}

func TestMain(m *testing.M) {
	text, isController := os.LookupEnv(processEnvironment)
	if !isController {
		os.Exit(m.Run())
	}
	if err := runProcess(text); err != nil {
		fmt.Println("ended:", err)
		os.Exit(1)
	}
}

func runProcess(text string) error {
	var o processOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	c, err := config.Parse([]byte(o.Config))
	if err != nil {
		return err
	}
	client, err := kube.NewClient(&rest.Config{Host: o.API, TLSClientConfig: o.TLS})
	if err != nil {
		return err
	}
	log := funcr.New(func(_, line string) { fmt.Println(line) }, funcr.Options{})
	return Run(context.Background(), Options{Config: c, Client: client, LeaseNamespace: "woven-system", Log: log})
}

// process is a controller in a process of its own.
type process struct {
	lab    *apiLab
	cmd    *exec.Cmd
	exited <-chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// process starts a controller. Its configuration has an alias network of its own, so what it writes about Services
// tells who wrote it.
func (l *apiLab) process(alias string) *process {
	l.Helper()
	text, err := json.Marshal(processOptions{
		Config: fmt.Sprintf("ovn: {northbound: '%s', southbound: '%s'}\nclusterCIDRs: [10.244.0.0/16]\nserviceCIDRs: [10.96.0.0/16]\naliasCIDRs: [%s]\n",
			l.config.OVN.Northbound, l.config.OVN.Southbound, alias),
		API: l.server.Config.Host, TLS: l.server.Config.TLSClientConfig,
	})
	require.NoError(l, err)
	p := &process{lab: l, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), processEnvironment+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.exited, err = child.Start(p.cmd)
	require.NoError(l, err)
	l.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if l.Failed() {
			l.Logf("the controller with %s said:\n%s", alias, p.said())
		}
	})
	return p
}

// Write takes what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// inAccord is what a leader logs when all that it found at its start is written.
const inAccord = `"msg"="in accord with the Northbound database"`

// waiting is what a process logs that would lead and cannot.
const waiting = `"msg"="waiting for the lease"`

func (p *process) leads() {
	p.lab.Helper()
	p.says(inAccord)
}

// standsBy waits until the process takes part in the election.
func (p *process) standsBy() {
	p.lab.Helper()
	p.says(waiting)
}

func (p *process) says(text string) {
	p.lab.Helper()
	p.lab.eventually(text, func() bool { return strings.Contains(p.said(), text) })
}

// standsByAgain waits until the process, which has led, has noticed that it does no more.
func (p *process) standsByAgain() {
	p.lab.Helper()
	p.says("leadership lost")
	p.lab.eventually("a new election", func() bool {
		_, after, _ := strings.Cut(p.said(), "leadership lost")
		return strings.Contains(after, waiting)
	})
}

// leadsAgain waits until the process leads for the second time.
func (p *process) leadsAgain() {
	p.lab.Helper()
	p.lab.eventually("a second leadership", func() bool {
		return strings.Count(p.said(), inAccord) >= 2
	})
}

func (p *process) signal(s os.Signal) {
	p.lab.Helper()
	require.NoError(p.lab, p.cmd.Process.Signal(s))
}

func (l *apiLab) service(name string) {
	l.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	_, err := l.api.CoreV1().Services("default").Create(l.Context(), s, metav1.CreateOptions{})
	require.NoError(l, err)
	l.Cleanup(func() {
		_ = l.api.CoreV1().Services("default").Delete(context.WithoutCancel(l.Context()), name, metav1.DeleteOptions{})
	})
}

// written returns a function that returns which load balancers have been written with a hairpin address since: those that
// one controller wrote.
func (l *apiLab) written(hairpin string) func() []string {
	var mu sync.Mutex
	var all []string
	note := func(m any) {
		if balancer, ok := m.(*nb.LoadBalancer); ok && balancer.Options["hairpin_snat_ip"] == hairpin {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, balancer.Name)
		}
	}
	l.northbound.Cache().AddEventHandler(&handlerFuncs{note})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Compact(all[:min(len(all), 20)])
	}
}

const firstAlias, secondAlias = "169.254.64.0/29", "169.254.65.0/29"

// A leader is stopped, as by the freezer, a debugger or a machine's suspension; another takes over; the first wakes with
// events to work on and believes that it leads.
func testPausedLeaderWakes(_ *testing.T, l *apiLab) {
	l.node("a", "10.244.1.0/24")
	first := l.process(firstAlias)
	first.leads()
	second := l.process(secondAlias)
	second.standsBy()
	l.service("one")
	l.eventually("the first has written", func() bool { return l.balancer("one") == "169.254.64.4" })

	first.signal(syscall.SIGSTOP)
	_, err := l.api.CoordinationV1().Leases("woven-system").Patch(l.Context(), leaseName, types.MergePatchType,
		[]byte(`{"spec": {"holderIdentity": ""}}`), metav1.PatchOptions{}) // Saves the 15 s until it has run out.
	require.NoError(l, err)
	second.leads()
	l.eventually("the second has taken over", func() bool { return l.balancer("one") == "169.254.65.4" })
	written := l.written("169.254.64.4")
	for i := range 20 {
		l.service(fmt.Sprint("late-", i))
	}
	l.eventually("the second works", func() bool { return l.balancer("late-19") == "169.254.65.4" })
	first.signal(syscall.SIGCONT)
	first.standsByAgain()
	l.pod("after", "a")
	l.port("default/after", "")
	assert.Empty(l, written(), "the former leader has written")

	// The former leader still knows the cluster, and what the other has written, and can lead again.
	second.signal(syscall.SIGKILL)
	<-second.exited
	_, err = l.api.CoordinationV1().Leases("woven-system").Patch(l.Context(), leaseName, types.MergePatchType,
		[]byte(`{"spec": {"holderIdentity": ""}}`), metav1.PatchOptions{})
	require.NoError(l, err)
	first.leadsAgain()
	l.eventually("the first writes again", func() bool { return l.balancer("late-19") == "169.254.64.4" })
	l.pod("again", "a")
	l.port("default/again", "")
}

// Somebody takes the lease from a leader that is well, for one that waits.
func testStolenLease(_ *testing.T, l *apiLab) {
	l.takeOver(func(lease *coordinationv1.Lease) error {
		lease.Spec.HolderIdentity = new(string)
		_, err := l.api.CoordinationV1().Leases("woven-system").Update(l.Context(), lease, metav1.UpdateOptions{})
		return err
	})
}

func testDeletedLease(_ *testing.T, l *apiLab) {
	l.takeOver(func(lease *coordinationv1.Lease) error {
		only := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &lease.ResourceVersion}}
		return l.api.CoordinationV1().Leases("woven-system").Delete(l.Context(), leaseName, only)
	})
}

// takeOver takes the lease away from a leader, whenever it has it, until the other process has it. take fails if the lease
// has changed meanwhile. The first goes on believing that it leads, and
// Services come that both want to write.
func (l *apiLab) takeOver(take func(*coordinationv1.Lease) error) {
	l.node("a", "10.244.1.0/24")
	first := l.process(firstAlias)
	first.leads()
	second := l.process(secondAlias)
	second.standsBy()
	before := *l.lease().Spec.HolderIdentity
	l.eventually("the other process has the lease", func() bool {
		lease := l.lease()
		if lease == nil || *lease.Spec.HolderIdentity == "" {
			return false
		}
		if *lease.Spec.HolderIdentity != before {
			return true
		}
		if err := take(lease); err != nil {
			require.True(l, apierrors.IsConflict(err), "%v", err)
		}
		return false
	})
	second.leads()
	assert.NotContains(l, l.lease().ManagedFields[0].Manager, "Go-http-client", "who writes is named")
	written := l.written("169.254.64.4")
	for i := range 20 {
		l.service(fmt.Sprint("late-", i))
	}
	l.eventually("the second works", func() bool { return l.balancer("late-19") == "169.254.65.4" })
	first.standsByAgain()
	l.pod("after", "a")
	l.port("default/after", "")
	assert.Empty(l, written(), "the former leader has written")
}

// lease returns the leader's Lease, nil if there is none.
func (l *apiLab) lease() *coordinationv1.Lease {
	lease, err := l.api.CoordinationV1().Leases("woven-system").Get(l.Context(), leaseName, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return lease
}

// balancer returns the hairpin address of a Service's load balancer.
func (l *apiLab) balancer(service string) string {
	var all []nb.LoadBalancer
	require.NoError(l, l.northbound.List(l.Context(), &all))
	for _, b := range all {
		if b.Name == "default/"+service+"/tcp" {
			return b.Options["hairpin_snat_ip"]
		}
	}
	return ""
}
