// Package service translates Services and their EndpointSlices into load balancers. It is pure: values in, sorted
// rows out.
//
// A Service is one Load_Balancer row for each of its protocols, in the one group that every node's switch and gateway
// router refers to, so an endpoint that comes or goes changes one row however many nodes there are. A
// Service's addresses of all kinds and both IP families are keys of the row's vips.
package service

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/kind"
	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
	"github.com/woven-network/woven/go-controller/pkg/topology"
)

// NameKey has the name of a Service in the external_ids of its load balancers, beside topology.NamespaceKey.
const NameKey = "woven.network/service"

// Kind is the kind of Services.
var Kind = kind.Kind{
	Name: kindName, Priority: kind.Rest, Object: corev1.SchemeGroupVersion.WithKind("Service"), UID: uid,
	Owners: owners, Affected: Affected, Translate: Translate,
}

const kindName = "service"

// Owner returns the owner of a Service's rows.
func Owner(namespace, name string) row.Owner {
	return row.Owner{Kind: kindName, Namespace: namespace, Name: name}
}

func owners(in kind.Input) []row.Owner {
	var all []row.Owner
	for _, s := range in.View.Services() {
		all = append(all, Owner(s.Namespace, s.Name))
	}
	return all
}

func uid(in kind.Input, owner row.Owner) types.UID {
	if s := in.View.Service(owner.Namespace, owner.Name); s != nil {
		return s.UID
	}
	return ""
}

// Translate returns the rows of a Service: none if it does not exist, has no cluster IP (headless, ExternalName) or no
// port.
func Translate(in kind.Input, owner row.Owner) ([]row.Row, error) {
	s := in.View.Service(owner.Namespace, owner.Name)
	if s == nil || s.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, nil
	}
	endpoints := in.View.EndpointSlices(owner.Namespace, owner.Name)
	// vips maps a protocol to the vips column of its load balancer.
	vips := map[corev1.Protocol]map[string]string{}
	for _, port := range s.Spec.Ports {
		if port.Port < 1 || port.Port > 65535 {
			continue // The API server refuses it; a row with it would be refused for all the others of the Service.
		}
		for _, ip := range clusterIPs(s) {
			protocol := protocolOf(port)
			if vips[protocol] == nil {
				vips[protocol] = map[string]string{}
			}
			vip := netip.AddrPortFrom(ip, uint16(port.Port))
			vips[protocol][vip.String()] = joined(backends(endpoints, port, ip.Is4()))
		}
	}
	var rows []row.Row
	for _, protocol := range slices.Sorted(maps.Keys(vips)) {
		rows = append(rows, loadBalancer(s, in.Config, protocol, vips[protocol]))
	}
	return row.Sort(rows), nil
}

func loadBalancer(s *corev1.Service, c *config.Parsed, protocol corev1.Protocol, vips map[string]string) row.Row {
	lower := strings.ToLower(string(protocol))
	options := map[string]string{
		"hairpin_snat_ip": hairpin(c),
		// A Service without endpoints refuses connections at once, as a closed port would.
		"reject": "true",
		// No router ever answers ARP or ND for a cluster IP.
		"neighbor_responder": "none",
	}
	if protocol == corev1.ProtocolUDP {
		// A UDP "connection" to a pod that is gone would go on for as long as the client sends. TCP must not have
		// this: a pod that is not ready any more keeps the connections it has.
		options["ct_flush"] = "true"
	}
	if seconds := affinity(s); seconds > 0 {
		options["affinity_timeout"] = strconv.Itoa(seconds)
	}
	name := s.Namespace + "/" + s.Name + "/" + lower
	return row.Row{
		ID: row.ID{Table: nb.LoadBalancerTable, Name: name},
		Model: &nb.LoadBalancer{
			Name: name, Protocol: &lower, Vips: vips, Options: options,
			ExternalIDs: map[string]string{topology.NamespaceKey: s.Namespace, NameKey: s.Name},
		},
		In: []row.Membership{{Set: row.ID{Table: nb.LoadBalancerGroupTable, Name: topology.ServicesGroup}, Column: "load_balancer"}},
	}
}

// clusterIPs returns the Service's cluster IPs; none for a headless one.
func clusterIPs(s *corev1.Service) []netip.Addr {
	texts := s.Spec.ClusterIPs
	if len(texts) == 0 {
		texts = []string{s.Spec.ClusterIP}
	}
	var ips []netip.Addr
	for _, text := range texts {
		if ip, ok := kube.Address(text); ok { // "None" and "" are no addresses.
			ips = append(ips, ip)
		}
	}
	return ips
}

// affinity returns for how many seconds a client stays with its endpoint; 0 means that each connection is on its own.
func affinity(s *corev1.Service) int {
	if s.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := int(corev1.DefaultClientIPServiceAffinitySeconds)
	if a := s.Spec.SessionAffinityConfig; a != nil && a.ClientIP != nil && a.ClientIP.TimeoutSeconds != nil {
		seconds = int(*a.ClientIP.TimeoutSeconds)
	}
	return min(seconds, 65535) // OVN's limit, 18 hours; Kubernetes' is 24.
}

func hairpin(c *config.Parsed) string {
	var texts []string
	for _, a := range topology.HairpinAddresses(c) {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " ")
}

func protocolOf(port corev1.ServicePort) corev1.Protocol {
	if port.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return port.Protocol
}

func joined(all []netip.AddrPort) string {
	var texts []string
	for _, one := range all {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ",")
}

// Affected returns the Services whose rows may be others after a change that the View already shows.
func Affected(_ kind.Input, change kube.Change) []row.Owner {
	var owners []row.Owner
	for _, o := range change.Objects() {
		switch o := o.(type) {
		case *corev1.Service:
			owners = append(owners, Owner(o.Namespace, o.Name))
		case *discoveryv1.EndpointSlice:
			// A slice may change hands: both the old and the new Service are affected.
			if name := kube.ServiceOf(o); name != "" {
				owners = append(owners, Owner(o.Namespace, name))
			}
		}
	}
	slices.SortFunc(owners, row.Owner.Compare)
	return slices.Compact(owners)
}
