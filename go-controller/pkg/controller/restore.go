package controller

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"

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
func (a *allocation) restore(all found, log logr.Logger) {
	a.restoreFromPods(log)
	a.gateways.forgetAll()
	a.learn(all, log)
}

// learn takes up the decisions that rows tell. What is no address counts for nothing; what is no address of the right
// network, or another's, is claimed in vain or not used when the owner is translated.
func (a *allocation) learn(all found, log logr.Logger) {
	// Sorted, so that of two rows that say one address it is always the same that keeps it.
	slices.SortFunc(all.ports, func(x, y *nb.LogicalSwitchPort) int { return cmp.Compare(x.Name, y.Name) })
	for _, port := range all.ports {
		owner, uid := ownerOf(port.ExternalIDs), port.Options[nodelink.InterfaceVersion]
		if owner.Kind != pod.Kind.Name || a.heldByAnother(owner, uid) {
			continue // Of another's, or of the pod's predecessor.
		}
		mine := a.hold(owner, uid)
		for _, address := range addressesOf(port.Addresses) {
			if err := a.pods.Claim(mine, address); err != nil {
				log.V(1).Info("a port's address is not used again", "port", port.Name, "reason", err.Error())
			}
		}
	}
	for _, port := range all.routerPorts {
		node := ownerOf(port.ExternalIDs).Name
		if ownerOf(port.ExternalIDs) != topology.Owner(node) || port.Name != topology.GatewayJoinPort(node) {
			continue
		}
		for _, network := range port.Networks {
			if p, err := netip.ParsePrefix(network); err == nil {
				if err := a.joins.Claim(node, p.Addr()); err != nil {
					log.V(1).Info("a join address is not used again", "node", node, "reason", err.Error())
				}
			}
		}
	}
	for _, router := range all.routers {
		owner := ownerOf(router.ExternalIDs)
		if owner != topology.Owner(owner.Name) {
			continue
		}
		if was, err := nodelink.ParseGateway(router.ExternalIDs[topology.GatewayKey]); err == nil && !was.IsZero() {
			a.gateways.remember(owner.Name, was)
		}
	}
}

// ownerOf returns the owner of a row by its mark; zero for a stranger's row.
func ownerOf(externalIDs map[string]string) row.Owner {
	return row.ParseOwner(externalIDs[row.OwnerKey])
}

// addressesOf reads the IP addresses of a port's column: "<MAC> <IP> <IP>".
func addressesOf(column []string) []netip.Addr {
	var all []netip.Addr
	for _, element := range column {
		for _, word := range strings.Fields(element) {
			if a, err := netip.ParseAddr(word); err == nil {
				all = append(all, a)
			}
		}
	}
	return all
}

// restoreFromPods claims the addresses that running pods report. The older of two pods that report one address
// keeps it; the younger gets another, and must be deleted to have it on its interface.
func (a *allocation) restoreFromPods(log logr.Logger) {
	type reporting struct {
		owner   row.Owner
		uid     string
		created time.Time
		has     []netip.Addr
	}
	var all []reporting
	networks := map[string][]netip.Prefix{}
	for _, p := range a.view.Pods() {
		if !kube.OnNetwork(p) || len(p.IPs) == 0 {
			continue
		}
		subnets, known := networks[p.Node]
		if !known {
			subnets, _ = topology.Subnets(a.view, a.config, p.Node) // With an error there are none.
			networks[p.Node] = subnets
		}
		r := reporting{owner: pod.Owner(p.Namespace, p.Name), uid: pod.UID(p), created: p.Created}
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
	slices.SortFunc(all, func(x, y reporting) int {
		return cmp.Or(x.created.Compare(y.created), x.owner.Compare(y.owner))
	})
	for _, r := range all {
		mine := a.hold(r.owner, r.uid)
		for _, address := range r.has {
			if err := a.pods.Claim(mine, address); err != nil {
				log.Error(err, "two running pods report one address; delete this one so that it gets another",
					"namespace", r.owner.Namespace, "pod", r.owner.Name)
			}
		}
	}
}
