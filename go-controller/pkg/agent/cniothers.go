package agent

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/containernetworking/cni/pkg/types"
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
		errs = append(errs, s.del(ctx, attachment{Container: r.ExternalIDs[keyContainer], IfName: r.ExternalIDs[keyIfName]}))
	}
	return errors.Join(errs...)
}

// tidy is the loop's part in attachments, once the node is ready: who waits for that goes on, rows without an interface
// go, interfaces without a row get theirs back.
func (s *server) tidy(session context.Context) error {
	s.news.tell(readyTopic)
	if err := s.removeStale(session); err != nil {
		return err
	}
	return s.heal(session)
}

// removeStale removes the attachments whose interface is gone: their network namespace went without a DEL, such as
// in a reboot. The runtime's DEL, when it comes, finds nothing to do.
func (s *server) removeStale(session context.Context) error {
	rows, err := s.attachments().list(session)
	if err != nil {
		return err
	}
	var gone []string
	for _, r := range rows {
		link, err := linkByName(r.Name)
		if err != nil {
			return err
		}
		if link == nil {
			s.log.Info("removing the attachment of a sandbox that is gone", "pod", r.ExternalIDs[keyIfaceID], "container", r.ExternalIDs[keyContainer])
			gone = append(gone, r.Name)
		}
	}
	return s.attachments().remove(session, gone...)
}
