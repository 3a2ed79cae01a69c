package attach

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
)

// del removes an attachment. It succeeds when there is nothing (left) to remove.
func (s *Server) del(ctx context.Context, pod attachment) error {
	session, err := s.session(ctx)
	if err != nil {
		return err
	}
	// The row goes first: an Interface row without its interface is what the loop takes for a vanished sandbox.
	if err := s.attachments().remove(session, pod.host()); err != nil {
		return err
	}
	return podlink.Disconnect(pod.host())
}

// delLocked is del for one that has not the sandbox's lock yet. Without, the loop would give an interface its row back that is about to go.
func (s *Server) delLocked(ctx context.Context, pod attachment) error {
	defer s.locks.lock(pod.Container)()
	return s.del(ctx, pod)
}

// gc removes all attachments but those that the runtime calls valid.
func (s *Server) gc(ctx context.Context, config []byte) error {
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
		s.log.Info("removing an attachment that the runtime does not know", "pod", r.ExternalIDs[ovs.IfaceID], "container", r.ExternalIDs[keyContainer])
		errs = append(errs, s.delLocked(ctx, sandboxOf(&r)))
	}
	return errors.Join(errs...)
}
