package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// del removes an attachment. It succeeds when there is nothing (left) to remove.
func (s *server) del(ctx context.Context, pod attachment) error {
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	// The row goes first: an Interface row without its interface is what the loop takes for a vanished sandbox.
	if err := s.attachments().remove(session, pod.host()); err != nil {
		return err
	}
	return disconnect(pod.host())
}

// delLocked is del for one that has not the sandbox's lock yet. Without, the loop would give an interface its row back that is about to go.
func (s *server) delLocked(ctx context.Context, pod attachment) error {
	defer s.locks.lock(pod.Container)()
	return s.del(ctx, pod)
}

// gc removes all attachments but those that the runtime calls valid.
func (s *server) gc(ctx context.Context, config []byte) error {
	var conf struct {
		Valid *[]types.GCAttachment `json:"cni.dev/valid-attachments"`
	}
	if err := json.Unmarshal(config, &conf); err != nil {
		return types.NewError(types.ErrDecodingFailure, "the network configuration is not JSON", err.Error())
	}
	if conf.Valid == nil {
		// Not "none is valid": a runtime that leaves the list out must not lose every pod of the node.
		return types.NewError(types.ErrInvalidNetworkConfig, "the network configuration has no cni.dev/valid-attachments", "")
	}
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	valid := map[string]bool{}
	for _, v := range *conf.Valid {
		valid[attachment{Container: v.ContainerID, IfName: v.IfName}.host()] = true
	}
	rows, err := s.attachments().list(session)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range rows {
		if valid[r.Name] {
			continue
		}
		s.log.Info("removing an attachment that the runtime does not know", "pod", r.ExternalIDs[keyIfaceID], "container", r.ExternalIDs[keyContainer])
		errs = append(errs, s.delLocked(ctx, attachment{Container: r.ExternalIDs[keyContainer], IfName: r.ExternalIDs[keyIfName]}))
	}
	return errors.Join(errs...)
}

// tidy is the loop's part in attachments, once the node is ready: who waits for that goes on, and all pods are settled.
func (s *server) tidy(session context.Context) error {
	s.news.tell(readyTopic)
	doubtful, err := s.doubtful(session)
	if err != nil {
		return err
	}
	return s.settle(session, doubtful)
}

// doubtful returns the names of the host's ends of pods that have only one of row and interface.
func (s *server) doubtful(session context.Context) ([]string, error) {
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
		if name := l.Attrs().Name; isHostEnd(name) {
			withLink.Insert(name)
		}
	}
	return sets.List(withRow.SymmetricDifference(withLink)), nil
}

// settle removes rows without an interface, whose network namespace went without a DEL, such as in a reboot (the runtime's
// DEL, when it comes, finds nothing to do), and gives interfaces without a row theirs back. What goes wrong with one keeps none of
// the others from it.
func (s *server) settle(session context.Context, hostEnds []string) error {
	var errs []error
	for _, name := range hostEnds {
		errs = append(errs, s.settleOne(session, name))
	}
	return errors.Join(errs...)
}

// settleOne leaves a sandbox alone on which a CNI command is at work: it brings both or takes both away. If it does not, the
// next audit finds that.
func (s *server) settleOne(session context.Context, name string) error {
	row, link, err := s.rowAndLink(session, name)
	if err != nil || (row == nil) == (link == nil) {
		return err
	}
	var a attachment
	if link != nil {
		a, _ = attachmentOfAlias(link.Attrs().Alias)
	} else {
		a = attachment{Container: row.ExternalIDs[keyContainer], IfName: row.ExternalIDs[keyIfName]}
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
		s.log.Info("removing the attachment of a sandbox that is gone", "pod", row.ExternalIDs[keyIfaceID], "container", a.Container)
		return s.attachments().remove(session, name)
	}
	return nil
}

// rowAndLink returns the two halves of an attachment; nil is what is not there.
func (s *server) rowAndLink(session context.Context, name string) (*vswitch.Interface, netlink.Link, error) {
	row, err := interfaceRow(session, s.local, name)
	if err != nil {
		return nil, nil, err
	}
	link, err := linkByName(name)
	return row, link, err
}
