package attach

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/client"

	"github.com/woven-network/woven/go-controller/pkg/agent/ovs"
	"github.com/woven-network/woven/go-controller/pkg/agent/podlink"
	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
)

// Keys of external_ids that are ours, in the Interface row of a pod. They hold all state of its CNI attachment.
const (
	prefix       = "woven.network/"
	keyContainer = prefix + "container"
	keyIfName    = prefix + "ifname"
	keySandbox   = prefix + "sandbox"
	keyAddresses = prefix + "addresses"
	keyGateways  = prefix + "gateways"
)

// attachment is a pod's interface. All of it is in external_ids of its Interface row, so an agent that starts
// knows what the one before it did, and so does whoever reads `ovs-vsctl list interface`.
type attachment struct {
	// Pod is "<namespace>/<name>", the logical port's name; UID is the pod's.
	Pod, UID string
	// Container is the runtime's ID of the sandbox, IfName the interface's name in it, and Sandbox the
	// runtime's path of its network namespace.
	Container, IfName, Sandbox string
	southbound.PodPort
}

// host is the name of the end in the host: 15 characters, the kernel's and ovs-ofctl's limit, derived from what a
// DEL knows, so that it is found without a row.
func (a attachment) host() string {
	sum := sha256.Sum256([]byte(a.Container + "/" + a.IfName))
	return "w" + hex.EncodeToString(sum[:7])
}

// link is the pair of interfaces.
func (a attachment) link() podlink.Link {
	return podlink.Link{Host: a.host(), IfName: a.IfName, Alias: a.alias(), MAC: a.MAC, Addresses: a.Addresses, Gateways: a.Gateways}
}

// IsHostEnd tells whether an interface is, by its name, the host's end of a pod's.
func IsHostEnd(name string) bool {
	if len(name) != 15 || name[0] != 'w' {
		return false
	}
	_, err := hex.DecodeString(name[1:])
	return err == nil
}

func (a attachment) externalIDs() map[string]string {
	return map[string]string{
		ovs.IfaceID: a.Pod, ovs.IfaceVersion: a.UID, ovs.AttachedMAC: a.MAC.String(),
		keyContainer: a.Container, keyIfName: a.IfName, keySandbox: a.Sandbox,
		keyAddresses: nodelink.Words(a.Addresses), keyGateways: nodelink.Words(a.Gateways),
	}
}

// sandboxOf returns of an attachment what a DEL knows: enough for its lock and its host's end.
func sandboxOf(i *vswitch.Interface) attachment {
	return attachment{Container: i.ExternalIDs[keyContainer], IfName: i.ExternalIDs[keyIfName]}
}

func attachmentOf(i *vswitch.Interface) (attachment, error) {
	ids := i.ExternalIDs
	a := attachment{Pod: ids[ovs.IfaceID], UID: ids[ovs.IfaceVersion], Container: ids[keyContainer], IfName: ids[keyIfName], Sandbox: ids[keySandbox]}
	var err error
	if a.MAC, err = net.ParseMAC(ids[ovs.AttachedMAC]); err != nil {
		return a, fmt.Errorf("interface %s: external_ids:%s: %w", i.Name, ovs.AttachedMAC, err)
	}
	for _, w := range strings.Fields(ids[keyAddresses]) {
		p, err := netip.ParsePrefix(w)
		if err != nil {
			return a, fmt.Errorf("interface %s: external_ids:%s: %w", i.Name, keyAddresses, err)
		}
		a.Addresses = append(a.Addresses, p)
	}
	for _, w := range strings.Fields(ids[keyGateways]) {
		g, err := netip.ParseAddr(w)
		if err != nil {
			return a, fmt.Errorf("interface %s: external_ids:%s: %w", i.Name, keyGateways, err)
		}
		a.Gateways = append(a.Gateways, g)
	}
	return a, nil
}

// attachments keeps the rows of pods' interfaces in the Open_vSwitch database.
type attachments struct{ c *ovs.Database }

// list returns the Interface rows of all attachments.
func (s attachments) list(ctx context.Context) ([]vswitch.Interface, error) {
	var rows []vswitch.Interface
	err := s.c.WhereCache(func(i *vswitch.Interface) bool { return i.ExternalIDs[keyContainer] != "" }).List(ctx, &rows)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	return rows, nil
}

// of returns the Interface rows of an attachment's pod, and of the attachment itself if it is written as another pod's.
func (s attachments) of(ctx context.Context, a attachment) ([]vswitch.Interface, error) {
	rows, err := s.list(ctx)
	return slices.DeleteFunc(rows, func(i vswitch.Interface) bool { return i.ExternalIDs[ovs.IfaceID] != a.Pod && i.Name != a.host() }), err
}

// add makes the port of an attachment. An older one of the same pod goes in the same transaction: two interfaces
// with one iface-id would both claim the logical port. It returns the interfaces that it replaced.
func (s attachments) add(session context.Context, a attachment) (replaced []string, err error) {
	br, err := ovs.Bridge(session, s.c, nodelink.IntegrationBridge)
	if err != nil {
		return nil, err
	}
	if br == nil {
		return nil, fmt.Errorf("there is no bridge %s", nodelink.IntegrationBridge)
	}
	rows, err := s.of(session, a)
	if err != nil {
		return nil, err
	}
	t := ovs.NewTransaction(s.c)
	for _, r := range rows {
		port, err := ovs.Port(session, s.c, r.Name)
		if err != nil {
			return nil, err
		}
		if port != nil {
			t.Detach(br, port)
			replaced = append(replaced, r.Name)
		}
	}
	t.Attach(br, nodelink.IntegrationBridge,
		vswitch.Port{Name: a.host(), OtherConfig: map[string]string{"transient": "true"}},
		vswitch.Interface{Name: a.host(), ExternalIDs: a.externalIDs()})
	return replaced, t.Commit(session)
}

// remove removes the ports of interfaces by name; one that has none is no error.
func (s attachments) remove(session context.Context, names ...string) error {
	br, err := ovs.Bridge(session, s.c, nodelink.IntegrationBridge)
	if err != nil || br == nil {
		return err
	}
	t := ovs.NewTransaction(s.c)
	for _, name := range names {
		port, err := ovs.Port(session, s.c, name)
		if err != nil {
			return err
		}
		if port != nil {
			t.Detach(br, port)
		}
	}
	return t.Commit(session)
}
