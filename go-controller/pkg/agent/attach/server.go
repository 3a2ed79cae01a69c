// Package attach answers the CNI shim: it attaches pods to Open vSwitch, checks and detaches them, and mends attachments of which
// half has gone. Each command has its own goroutine and waits on events, never on time. What it asks of the node's loop is Node.
package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
	"github.com/woven-network/woven/go-controller/pkg/cni"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// commandTimeout is the agent's limit for one CNI command. It is shorter than the runtime's (two minutes), so that the
// pod's event says what was waited for.
const commandTimeout = 45 * time.Second

// Server answers the CNI shim.
type Server struct {
	log       logr.Logger
	local     *ovs.Database
	news      *news
	node      Node
	metrics   *metrics
	userspace bool
	// timeout is commandTimeout, but for tests.
	timeout time.Duration
	// confDir is where the container runtime reads configurations.
	confDir string
	locks   locks
}

// Options are what a server needs.
type Options struct {
	Log   logr.Logger
	Local *ovs.Database
	Node  Node
	// Registry gets the metrics of commands.
	Registry prometheus.Registerer
	// Userspace: the datapath is in ovs-vswitchd, and pods' packets are none for the kernel.
	Userspace bool
	// ConfDir is where the container runtime reads configurations.
	ConfDir string
}

// New returns a server that has heard nothing yet.
func New(o Options) *Server {
	return &Server{
		log: o.Log.WithName("cni"), local: o.Local, news: newNews(), node: o.Node, metrics: newMetrics(o.Registry),
		userspace: o.Userspace, timeout: commandTimeout, confDir: o.ConfDir,
	}
}

// Handle answers one command and logs its outcome.
func (s *Server) Handle(ctx context.Context, request cni.Request, netns *os.File) cni.Response {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	log := s.log.WithValues("command", request.Command, "container", request.ContainerID)
	pod, err := podOf(request)
	if pod.Pod != "" {
		log = log.WithValues("pod", pod.Pod)
	}
	var result *current.Result
	if err == nil {
		result, err = s.command(ctx, request, pod, netns)
	}
	took := time.Since(start)
	s.metrics.command(request.Command, err, took)
	switch {
	case err == nil && request.Command == cni.Status:
		log.V(1).Info("done")
	case err == nil:
		log.Info("done", "took", took.String())
	case request.Command == cni.Status:
		log.V(1).Info("not ready", "reason", err.Error())
	default:
		log.Error(err, "failed", "took", took.String())
	}
	return respond(result, err)
}

func respond(result *current.Result, err error) cni.Response {
	if err != nil {
		var coded *types.Error
		if !errors.As(err, &coded) {
			coded = types.NewError(types.ErrInternal, err.Error(), "")
		}
		return cni.Response{Error: coded}
	}
	if result == nil {
		return cni.Response{}
	}
	text, err := json.Marshal(result)
	if err != nil {
		return cni.Response{Error: types.NewError(types.ErrInternal, err.Error(), "")}
	}
	return cni.Response{Result: text}
}

func (s *Server) command(ctx context.Context, request cni.Request, pod attachment, netns *os.File) (*current.Result, error) {
	if reason := s.node.Uninstalled(); reason != "" && request.Command != cni.Uninstall {
		return nil, tryAgain("%s", reason)
	}
	switch request.Command {
	case cni.Uninstall:
		return nil, s.node.Uninstall(ctx)
	case cni.Add:
		if err := podlink.IsNetns(netns); err != nil {
			return nil, types.NewError(types.ErrInvalidNetNS, request.Netns+" is not a network namespace", err.Error())
		}
		defer s.locks.lock(pod.Container)()
		return s.add(ctx, pod, netns)
	case cni.Del:
		return nil, s.delLocked(ctx, pod)
	case cni.Check:
		defer s.locks.lock(pod.Container)()
		return nil, s.check(ctx, pod, request.Config, netns)
	case cni.GC:
		return nil, s.gc(ctx, request.Config)
	case cni.Status:
		if reason := s.node.Why(); reason != "" {
			return nil, types.NewError(types.ErrPluginNotAvailable, "the node's network is not ready", reason)
		}
		return nil, nil
	}
	return nil, types.NewError(types.ErrInvalidEnvironmentVariables, fmt.Sprintf("command %q is not known", request.Command), "")
}

// podOf reads which pod and sandbox a request is about. DEL, CHECK and GC need no pod.
func podOf(request cni.Request) (attachment, error) {
	a := attachment{Container: request.ContainerID, IfName: request.IfName, Sandbox: request.Netns}
	var args cni.PodArgs
	args.IgnoreUnknown = true
	if err := types.LoadArgs(request.Args, &args); err != nil {
		return a, types.NewError(types.ErrInvalidEnvironmentVariables, "CNI_ARGS cannot be read", err.Error())
	}
	if args.K8S_POD_NAME != "" {
		a.Pod = nodelink.PodPort(string(args.K8S_POD_NAMESPACE), string(args.K8S_POD_NAME))
		a.UID = string(args.K8S_POD_UID)
	}
	if request.Command == cni.Add && (a.Pod == "" || a.UID == "") {
		return a, types.NewError(types.ErrInvalidEnvironmentVariables, "CNI_ARGS has no K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID",
			"the container runtime must give them; containerd since 1.4 and CRI-O do")
	}
	return a, nil
}

// tryAgain is the specification's code for what passes by itself; the kubelet calls again.
func tryAgain(format string, args ...any) error {
	return types.NewError(types.ErrTryAgainLater, fmt.Sprintf(format, args...), "")
}

// session is a connection to the Open_vSwitch database whose cache is complete: what is not there does not exist.
func (s *Server) session(ctx context.Context) (context.Context, error) {
	session, err := s.local.Session(ctx)
	if err != nil {
		return nil, tryAgain("the Open_vSwitch database does not answer; look at the pod woven-ovs of this node")
	}
	return session, nil
}

// locks lets one command at a time work on a sandbox.
type locks struct {
	mu sync.Mutex
	// held maps a container ID to its lock, as long as somebody has it or waits for it.
	held map[string]*heldLock
}

type heldLock struct {
	sync.Mutex
	users int
}

// lock waits for a sandbox's lock and returns what releases it.
func (l *locks) lock(container string) (unlock func()) {
	h := l.use(container)
	h.Lock()
	return func() {
		h.Unlock()
		l.leave(container, h)
	}
}

// tryLock is lock, but does not wait.
func (l *locks) tryLock(container string) (unlock func(), ok bool) {
	h := l.use(container)
	if !h.TryLock() {
		l.leave(container, h)
		return nil, false
	}
	return func() {
		h.Unlock()
		l.leave(container, h)
	}, true
}

func (l *locks) use(container string) *heldLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*heldLock{}
	}
	h := l.held[container]
	if h == nil {
		h = &heldLock{}
		l.held[container] = h
	}
	h.users++
	return h
}

func (l *locks) leave(container string, h *heldLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(l.held, container)
	}
}
