package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// aliasWord begins the alias (ip-link(8)) of the host's end of a pod. It holds what the Southbound database does not
// know of an attachment, so that the attachment outlives its row: one removed by hand, or a database file that is lost.
const aliasWord = "woven"

// alias returns at most the 255 bytes that the kernel takes: a container ID has 64, a UID 36.
func (a attachment) alias() string {
	return strings.Join([]string{aliasWord, a.Container, a.IfName, a.UID, a.Sandbox}, " ")
}

func attachmentOfAlias(alias string) (attachment, bool) {
	f := strings.Fields(alias)
	if len(f) != 5 || f[0] != aliasWord {
		return attachment{}, false
	}
	return attachment{Container: f[1], IfName: f[2], UID: f[3], Sandbox: f[4]}, true
}

// heal makes the row of an attachment whose interface is there and whose row is not. Its sandbox is locked.
func (s *server) heal(session context.Context, a attachment, link netlink.Link) error {
	ready := s.node.ready.Load()
	if ready == nil {
		return nil // Another turn comes when the node is ready, or the Southbound database back.
	}
	south, southSession := s.node.southbound(session)
	if south == nil {
		return nil
	}
	b, err := bindingOfUID(southSession, south, a.UID)
	if err != nil && southSession.Err() != nil && session.Err() == nil {
		return nil
	}
	if err != nil || b == nil {
		return err // The pod is going, or its port is not known yet.
	}
	a.Pod = b.LogicalPort
	rows, err := s.attachments().of(session, a)
	if err != nil || len(rows) > 0 {
		return err // A newer sandbox of the same pod has one.
	}
	if a.podPort, err = podPortOf(b, ready.Subnets); err != nil {
		return err
	}
	if s.userspace {
		// Its agent may have been killed before it came to this.
		if err := quiet(link); err != nil {
			return err
		}
	}
	if _, err := s.attachments().add(session, a); err != nil {
		return err
	}
	s.log.Info("made the row of a pod again", "pod", a.Pod, "container", a.Container, "interface", a.host())
	return nil
}

// bindingOfUID returns the Port_Binding of the pod with a UID, or nil.
func bindingOfUID(ctx context.Context, south *ovsdb.Client, uid string) (*sb.PortBinding, error) {
	var found []sb.PortBinding
	err := south.WhereCache(func(p *sb.PortBinding) bool { return p.Options[keyIfaceVersion] == uid }).List(ctx, &found)
	if err != nil {
		return nil, fmt.Errorf("port bindings: %w", err)
	}
	if len(found) != 1 {
		return nil, nil
	}
	return &found[0], nil
}
