package controller

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/pod"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// found is what the Northbound database holds of the tables that decisions are kept in. Any of it may have been changed
// by hand.
type found struct {
	ports       []*nb.LogicalSwitchPort
	routerPorts []*nb.LogicalRouterPort
	routers     []*nb.LogicalRouter
}

func holdings(northbound *cache.TableCache) found {
	return found{
		ports:       ovsdb.Rows[nb.LogicalSwitchPort](northbound, nb.LogicalSwitchPortTable),
		routerPorts: ovsdb.Rows[nb.LogicalRouterPort](northbound, nb.LogicalRouterPortTable),
		routers:     ovsdb.Rows[nb.LogicalRouter](northbound, nb.LogicalRouterTable),
	}
}

// restore learns what earlier leaders have decided, before the first translation: addresses from status.podIPs, whose
// word counts most, then addresses and gateways from the rows in the Northbound database. Both may be empty.
func (d *desired) restore(all found, log logr.Logger) {
	d.restoreFromPods(log)
	d.gateways.forgetAll()
	d.learn(all, log)
}

// learn takes up the decisions that rows tell. What is no address counts for nothing; what is no address of the right
// network, or another's, is claimed in vain or not used when the owner is translated.
func (d *desired) learn(all found, log logr.Logger) {
	// Sorted, so that of two rows that say one address it is always the same that keeps it.
	slices.SortFunc(all.ports, func(a, b *nb.LogicalSwitchPort) int { return cmp.Compare(a.Name, b.Name) })
	for _, port := range all.ports {
		owner := row.Owner(port.ExternalIDs[row.OwnerKey])
		if _, ok := pod.NamespacedName(owner); ok {
			mine := holder(owner, port.Options[nodelink.InterfaceVersion])
			if now := d.holderOf(owner); now != "" && now != mine {
				continue // The row is of its predecessor.
			}
			d.hold(owner, mine)
			for _, address := range addressesOf(port.Addresses) {
				if err := d.pods.Claim(mine, address); err != nil {
					log.V(1).Info("a port's address is not used again", "port", port.Name, "reason", err.Error())
				}
			}
		}
	}
	for _, port := range all.routerPorts {
		node, ok := strings.CutPrefix(port.ExternalIDs[row.OwnerKey], "node/")
		if !ok || port.Name != topology.GatewayJoinPort(node) {
			continue
		}
		for _, network := range port.Networks {
			if p, err := netip.ParsePrefix(network); err == nil {
				if err := d.joins.Claim(node, p.Addr()); err != nil {
					log.V(1).Info("a join address is not used again", "node", node, "reason", err.Error())
				}
			}
		}
	}
	for _, router := range all.routers {
		node, ok := strings.CutPrefix(router.ExternalIDs[row.OwnerKey], "node/")
		if was, err := nodelink.ParseGateway(router.ExternalIDs[topology.GatewayKey]); ok && err == nil && !was.IsZero() {
			d.gateways.remember(node, was)
		}
	}
}

// restoreFromPods claims the addresses that running pods report. The older of two pods that report one address
// keeps it; the younger gets another, and must be deleted to have it on its interface.
func (d *desired) restoreFromPods(log logr.Logger) {
	type reporting struct {
		pod     types.NamespacedName
		uid     string
		created time.Time
		has     []netip.Addr
	}
	var all []reporting
	networks := map[string][]netip.Prefix{}
	for _, p := range d.view.Pods() {
		if !kube.OnNetwork(p) || len(p.IPs) == 0 {
			continue
		}
		subnets, known := networks[p.Node]
		if !known {
			subnets, _ = topology.Subnets(d.view, d.config, p.Node) // With an error there are none.
			networks[p.Node] = subnets
		}
		r := reporting{pod: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, uid: pod.UID(p), created: p.Created}
		for _, address := range p.IPs {
			// An address of no network of the node's would not be routed to it: it is from before the node was
			// made anew, or another network's that ran here.
			if slices.ContainsFunc(subnets, func(s netip.Prefix) bool { return s.Contains(address) }) {
				r.has = append(r.has, address)
			}
		}
		if len(r.has) > 0 {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b reporting) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.pod.Namespace, b.pod.Namespace), cmp.Compare(a.pod.Name, b.pod.Name))
	})
	for _, r := range all {
		owner := pod.Owner(r.pod.Namespace, r.pod.Name)
		mine := holder(owner, r.uid)
		d.hold(owner, mine)
		for _, address := range r.has {
			if err := d.pods.Claim(mine, address); err != nil {
				log.Error(err, "two running pods report one address; delete this one so that it gets another", "namespace", r.pod.Namespace, "pod", r.pod.Name)
			}
		}
	}
}
