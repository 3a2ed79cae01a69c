package attach

import (
	"context"
	"os"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
)

// cleanupTimeout is for taking back what a failed ADD made, after its own time is over.
const cleanupTimeout = 5 * time.Second

// add wires a pod. The pod's end is configured while OVN installs the port's flows. When it returns, the pod's first packet
// passes.
func (s *Server) add(ctx context.Context, pod attachment, netns *os.File) (*current.Result, error) {
	ready, err := s.awaitReady(ctx)
	if err != nil {
		return nil, err
	}
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	if done, err := s.already(ctx, pod, netns); done != nil || err != nil {
		return done, err
	}
	result, err := s.wire(ctx, session, pod, netns, ready)
	if err != nil {
		s.undo(ctx, pod)
		return nil, err
	}
	return result, nil
}

// awaitReady waits until the loop of an agent that has just started has looked at everything once. An error would cost
// the pod ten seconds or more: so long kubelet waits before it tries again.
func (s *Server) awaitReady(ctx context.Context) (*Ready, error) {
	var state *Ready
	err := s.news.await(ctx, readyTopic, func() (bool, error) {
		state = s.node.Ready()
		return state != nil, nil
	})
	if err != nil {
		return nil, tryAgain("the node's network is not ready: %s", s.node.Why())
	}
	return state, nil
}

// already answers an ADD that is given again, as the specification allows.
func (s *Server) already(ctx context.Context, pod attachment, netns *os.File) (*current.Result, error) {
	i, err := ovs.Interface(ctx, s.local, pod.host())
	if err != nil || i == nil {
		return nil, err
	}
	have, err := attachmentOf(i)
	if err != nil || have.Pod != pod.Pod || have.UID != pod.UID || podlink.Verify(have.link(), netns) != nil {
		return nil, nil // It is wired anew.
	}
	if err := s.awaitInstalled(ctx, have); err != nil {
		return nil, err
	}
	host, err := kernel.Link(have.host())
	if err != nil || host == nil {
		return nil, err
	}
	if err := s.quietAgain(host); err != nil {
		return nil, err
	}
	return result(have, host), nil
}

// quietAgain does the last of wire for a pod of which only the rest is known to have been done: an agent may have been killed before it
// came to this.
func (s *Server) quietAgain(host netlink.Link) error {
	if !s.userspace {
		return nil
	}
	return kernel.Quiet(host)
}

func (s *Server) wire(ctx, session context.Context, pod attachment, netns *os.File, ready *Ready) (*current.Result, error) {
	done := s.metrics.part("port_binding")
	b, err := s.awaitBinding(ctx, pod)
	if err != nil {
		return nil, err
	}
	done()
	if pod.PodPort, err = southbound.PodPortOf(b, ready.Subnets); err != nil {
		return nil, err
	}
	done = s.metrics.part("interfaces")
	host, err := podlink.Connect(pod.link(), netns, ready.MTU, s.userspace)
	if err != nil {
		return nil, err
	}
	done()
	replaced, err := s.attachments().add(session, pod)
	if err != nil {
		return nil, err
	}
	group, waiting := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer s.metrics.part("addresses")()
		return podlink.Configure(pod.link(), netns, host.Attrs().ParentIndex, s.userspace)
	})
	group.Go(func() error {
		defer s.metrics.part("flows")()
		return s.awaitInstalled(waiting, pod)
	})
	group.Go(func() error {
		for _, name := range replaced {
			if name == pod.host() {
				continue
			}
			if err := podlink.Disconnect(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if s.userspace {
		// Last of all, when in a burst the grace period it needs has long passed.
		if err := kernel.Silence(host); err != nil {
			return nil, err
		}
	}
	return result(pod, host), nil
}

// awaitBinding waits until the Southbound database has this very pod's port; that of an earlier pod with the
// same name has another UID.
func (s *Server) awaitBinding(ctx context.Context, pod attachment) (*sb.PortBinding, error) {
	var found *sb.PortBinding
	other := ""
	err := s.news.await(ctx, bindingTopic(pod.Pod), func() (bool, error) {
		b, err := s.node.South().Binding(ctx, pod.Pod)
		if err != nil || b == nil {
			return false, err
		}
		if other = b.Options[ovs.IfaceVersion]; other != pod.UID {
			return false, nil
		}
		found = b
		return true, nil
	})
	switch {
	case err == nil || ctx.Err() == nil:
		return found, err
	case other != "":
		return nil, tryAgain("pod %s: waited for its port with UID %s in the Southbound database, which has an earlier pod's (%s); look at woven-controller and ovn-northd",
			pod.Pod, pod.UID, other)
	default:
		return nil, tryAgain("pod %s: waited for its port in the Southbound database; look at woven-controller and ovn-northd", pod.Pod)
	}
}

// awaitInstalled waits until ovn-controller has installed the port's flows.
func (s *Server) awaitInstalled(ctx context.Context, pod attachment) error {
	err := s.news.await(ctx, interfaceTopic(pod.host()), func() (bool, error) {
		i, err := ovs.Interface(ctx, s.local, pod.host())
		if err != nil {
			return false, err
		}
		if _, err := ovs.Ofport(i); err != nil {
			return false, err
		}
		return ovs.Installed(i), nil
	})
	if err != nil && ctx.Err() != nil {
		return tryAgain("pod %s: waited for ovn-controller to install the flows of %s; look at the pods woven-ovn-controller and woven-ovs of this node", pod.Pod, pod.host())
	}
	return err
}

// undo takes back what an ADD made that failed. What cannot be taken back now is found by the runtime's DEL.
func (s *Server) undo(ctx context.Context, pod attachment) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := s.del(ctx, pod); err != nil {
		s.log.Error(err, "taking back a failed ADD", "pod", pod.Pod, "container", pod.Container)
	}
}

func (s *Server) attachments() attachments { return attachments{s.local} }

// result is the answer to ADD (CNI specification 1.1, "ADD Success").
func result(a attachment, host netlink.Link) *current.Result {
	mtu := host.Attrs().MTU
	r := &current.Result{CNIVersion: current.ImplementedSpecVersion, Interfaces: []*current.Interface{
		{Name: a.host(), Mac: host.Attrs().HardwareAddr.String(), Mtu: mtu},
		{Name: a.IfName, Mac: a.MAC.String(), Mtu: mtu, Sandbox: a.Sandbox},
	}}
	inPod := 1
	for i, p := range a.Addresses {
		r.IPs = append(r.IPs, &current.IPConfig{Interface: &inPod, Address: *kernel.IPNet(p), Gateway: kernel.IP(a.Gateways[i])})
		r.Routes = append(r.Routes, &types.Route{Dst: *kernel.IPNet(kernel.Everything(p.Addr())), GW: kernel.IP(a.Gateways[i])})
	}
	return r
}
