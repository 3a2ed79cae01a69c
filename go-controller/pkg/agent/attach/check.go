package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
)

// check verifies that an attachment is as ADD left it, and as the runtime believes it to be.
func (s *Server) check(ctx context.Context, pod attachment, config []byte, netns *os.File) error {
	believed, err := previous(config)
	if err != nil {
		return err
	}
	if _, err := s.session(ctx); err != nil {
		return err
	}
	i, err := ovs.Interface(ctx, s.local, pod.host())
	if err != nil {
		return err
	}
	if i == nil {
		return types.NewError(types.ErrUnknownContainer, fmt.Sprintf("there is no Open vSwitch port %s for container %s", pod.host(), pod.Container), "")
	}
	have, err := attachmentOf(i)
	if err != nil {
		return err
	}
	if err := have.matches(believed); err != nil {
		return err
	}
	if err := podlink.IsNetns(netns); err != nil {
		return types.NewError(types.ErrInvalidNetNS, pod.Sandbox+" is not a network namespace", err.Error())
	}
	if n, err := ovs.Ofport(i); err != nil {
		return err
	} else if n == 0 || !ovs.Installed(i) {
		return tryAgain("pod %s: OVN has not installed the flows of %s", have.Pod, i.Name)
	}
	return podlink.Verify(have.link(), netns)
}

// previous returns the prevResult of a network configuration, which the specification requires for CHECK.
func previous(config []byte) (*current.Result, error) {
	var conf types.PluginConf
	if err := json.Unmarshal(config, &conf); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the network configuration is not JSON", err.Error())
	}
	if err := version.ParsePrevResult(&conf); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "prevResult cannot be read", err.Error())
	}
	if conf.PrevResult == nil {
		return nil, types.NewError(types.ErrInvalidNetworkConfig, "the network configuration has no prevResult", "")
	}
	result, err := current.NewResultFromResult(conf.PrevResult)
	if err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "prevResult cannot be read", err.Error())
	}
	return result, nil
}

// matches compares an attachment with the result of its ADD. Addresses and interfaces of other plugins in the
// list are not ours to judge.
func (a attachment) matches(r *current.Result) error {
	var believed []netip.Prefix
	for _, c := range r.IPs {
		if c.Interface == nil || *c.Interface < 0 || *c.Interface >= len(r.Interfaces) || r.Interfaces[*c.Interface].Name == a.IfName {
			if p, ok := kernel.PrefixOf(&c.Address); ok {
				believed = append(believed, p)
			}
		}
	}
	for _, p := range a.Addresses {
		if !slices.Contains(believed, p) {
			return fmt.Errorf("the pod has the address %s, which prevResult does not", p)
		}
	}
	for _, p := range believed {
		if !slices.Contains(a.Addresses, p) {
			return fmt.Errorf("prevResult has the address %s, which the pod does not", p)
		}
	}
	for _, i := range r.Interfaces {
		if i.Sandbox != "" && i.Name == a.IfName && i.Mac != "" && i.Mac != a.MAC.String() {
			return fmt.Errorf("interface %s has the MAC %s, and not %s as in prevResult", a.IfName, a.MAC, i.Mac)
		}
	}
	return nil
}
