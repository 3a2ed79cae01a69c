package attach

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
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

// Tidy is the loop's part in attachments, once the node is ready: who waits for that goes on, and all pods are settled.
func (s *Server) Tidy(session context.Context) error {
	s.news.tell(readyTopic)
	doubtful, err := s.doubtful(session)
	if err != nil {
		return err
	}
	return s.Settle(session, doubtful)
}

// doubtful returns the names of the host's ends of pods that have only one of row and interface.
func (s *Server) doubtful(session context.Context) ([]string, error) {
	rows, err := s.attachments().list(session)
	if err != nil {
		return nil, err
	}
	links, err := netlink.LinkList()
	// What an interrupted list lacks is looked for again by its name, or found by the next audit.
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	withRow, withLink := sets.Set[string]{}, sets.Set[string]{}
	for _, r := range rows {
		withRow.Insert(r.Name)
	}
	for _, l := range links {
		if name := l.Attrs().Name; IsHostEnd(name) {
			withLink.Insert(name)
		}
	}
	return sets.List(withRow.SymmetricDifference(withLink)), nil
}

// Settle removes rows without an interface, whose network namespace went without a DEL, such as in a reboot (the runtime's
// DEL, when it comes, finds nothing to do), and gives interfaces without a row theirs back. What goes wrong with one keeps none of
// the others from it.
func (s *Server) Settle(session context.Context, hostEnds []string) error {
	var errs []error
	for _, name := range hostEnds {
		errs = append(errs, s.settleOne(session, name))
	}
	return errors.Join(errs...)
}

// settleOne leaves a sandbox alone on which a CNI command is at work: it brings both or takes both away. If it does not, the
// next audit finds that.
func (s *Server) settleOne(session context.Context, name string) error {
	row, link, err := s.rowAndLink(session, name)
	if err != nil || (row == nil) == (link == nil) {
		return err
	}
	var a attachment
	if link != nil {
		a, _ = attachmentOfAlias(link.Attrs().Alias)
	} else {
		a = sandboxOf(row)
	}
	if a.host() != name {
		return nil // not ours
	}
	unlock, ok := s.locks.tryLock(a.Container)
	if !ok {
		return nil
	}
	defer unlock()
	row, link, err = s.rowAndLink(session, name)
	switch {
	case err != nil:
		return err
	case row == nil && link != nil:
		return s.heal(session, a, link)
	case row != nil && link == nil:
		s.log.Info("removing the attachment of a sandbox that is gone", "pod", row.ExternalIDs[ovs.IfaceID], "container", a.Container)
		return s.attachments().remove(session, name)
	}
	return nil
}

// rowAndLink returns the two halves of an attachment; nil is what is not there.
func (s *Server) rowAndLink(session context.Context, name string) (*vswitch.Interface, netlink.Link, error) {
	row, err := ovs.Interface(session, s.local, name)
	if err != nil {
		return nil, nil, err
	}
	link, err := kernel.Link(name)
	return row, link, err
}

// heal makes the row of an attachment whose interface is there and whose row is not. Its sandbox is locked.
func (s *Server) heal(session context.Context, a attachment, link netlink.Link) error {
	ready := s.node.Ready()
	if ready == nil {
		return nil // Another turn comes when the node is ready, or the Southbound database back.
	}
	south, southSession := s.node.Southbound(session)
	if south == nil {
		return nil
	}
	b, err := south.BindingOfUID(southSession, a.UID)
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
	if a.PodPort, err = southbound.PodPortOf(b, ready.Subnets); err != nil {
		return err
	}
	if err := s.quietAgain(link); err != nil {
		return err
	}
	if _, err := s.attachments().add(session, a); err != nil {
		return err
	}
	s.log.Info("made the row of a pod again", "pod", a.Pod, "container", a.Container, "interface", a.host())
	return nil
}

// RemoveAll takes the interfaces from pods that still run; they have no network from here on.
func RemoveAll(session context.Context, local *ovs.Database) error {
	a := attachments{local}
	rows, err := a.list(session)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.remove(session, r.Name); err != nil {
			return err
		}
		if err := podlink.Disconnect(r.Name); err != nil {
			return err
		}
	}
	return nil
}
