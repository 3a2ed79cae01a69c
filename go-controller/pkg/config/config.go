// Package config is the one configuration of all Woven programs: a YAML file, in a cluster the ConfigMap
// woven-config, the same for the controller, the node agents and wovenctl.
package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// DefaultPath is where the manifests mount the configuration.
const DefaultPath = "/etc/woven/config.yaml"

// Config is the configuration as it is written in the file. Parse fills what is left out with defaults and
// refuses what cannot work.
type Config struct {
	// ClusterCIDRs are the networks that hold all pods, one of each IP family in use. The nodes'
	// spec.podCIDRs lie inside.
	ClusterCIDRs []string `json:"clusterCIDRs"`
	// ServiceCIDRs are the networks of the Services' cluster IPs, one of each family in use.
	ServiceCIDRs []string `json:"serviceCIDRs"`
	// JoinCIDRs are the networks between the cluster router and the gateway routers, one of each family.
	JoinCIDRs []string `json:"joinCIDRs,omitempty"`
	// AliasCIDRs are the link-local networks in which a gateway router and its host speak to each other, one
	// of each family at least a /29 or /125. They are the same on every node.
	AliasCIDRs []string `json:"aliasCIDRs,omitempty"`
	// NodePortRange is kube-apiserver's --service-node-port-range.
	NodePortRange string `json:"nodePortRange,omitempty"`
	// MTU of the pods, in bytes; 0 means what the underlay leaves after Geneve.
	MTU int `json:"mtu,omitempty"`
	// Datapath is "system" (the kernel's openvswitch module) or "netdev" (userspace).
	Datapath string `json:"datapath,omitempty"`
	// Forwarding says whether hosts on the underlay reach pods and Services by routing to a node: "cluster" (they do
	// not) or "open".
	Forwarding string `json:"forwarding,omitempty"`
	// MetricsAccess says what reaches the metrics of Woven's programs: "nodes" (nodes and host-network pods) or "pods"
	// (these and all pods).
	MetricsAccess string `json:"metricsAccess,omitempty"`
	// PodConnections is how many connections to Services and through policies a pod may have at a time; 0 is no bound.
	PodConnections int `json:"podConnections,omitempty"`
	// OVN says where the databases are.
	OVN OVN `json:"ovn"`
	// APIServer is the URL of kube-apiserver for the controller, such as "https://192.0.2.1:6443"; empty
	// means the in-cluster one. The controller runs before any Service works, so a cluster sets it.
	APIServer string `json:"apiServer,omitempty"`
	// LogLevel is "debug", "info", "warn" or "error".
	LogLevel string `json:"logLevel,omitempty"`
}

// OVN says where the OVN databases are and how to speak to them.
type OVN struct {
	// Northbound and Southbound are connection methods of ovsdb(7): "ssl:<ip>:<port>", "tcp:<ip>:<port>" or
	// "unix:<path>", several separated by commas.
	Northbound string `json:"northbound"`
	Southbound string `json:"southbound"`
	// PrivateKey, Certificate and CACertificate are PEM files; needed when a database is reached by ssl.
	PrivateKey    string `json:"privateKey,omitempty"`
	Certificate   string `json:"certificate,omitempty"`
	CACertificate string `json:"caCertificate,omitempty"`
}

// Load reads and parses a configuration file.
func Load(path string) (*Parsed, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; mount the ConfigMap woven-config or name a file with --config", err)
	}
	parsed, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return parsed, nil
}

// Parsed is a valid configuration, with its text turned into values. Network lists hold at most one network of
// each family, IPv4 first.
type Parsed struct {
	Config
	Cluster  []netip.Prefix
	Service  []netip.Prefix
	Join     []netip.Prefix
	Alias    []netip.Prefix
	NodePort PortRange
}

// PortRange is a range of port numbers, both ends included.
type PortRange struct{ First, Last uint16 }

// Values of Config.Forwarding and Config.MetricsAccess.
const (
	ForwardingCluster = "cluster"
	ForwardingOpen    = "open"
	MetricsNodes      = "nodes"
	MetricsPods       = "pods"
)

var datapaths = []string{"system", "netdev"}
var logLevels = []string{"debug", "info", "warn", "error"}

// Parse reads YAML, fills in defaults and checks every field. The error names all wrong fields at once, a line
// each, with what they may be.
func Parse(text []byte) (*Parsed, error) {
	c := Config{
		// 100.64.0.0/16 is inside RFC 6598's shared address space; fd98::/64 is a ULA (RFC 4193).
		JoinCIDRs: []string{"100.64.0.0/16", "fd98::/64"},
		// Not 169.254.169.0/24, where clouds keep their metadata services.
		AliasCIDRs:    []string{"169.254.64.0/29", "fd69::/125"},
		NodePortRange: "30000-32767",
		Datapath:      "system",
		Forwarding:    ForwardingCluster,
		MetricsAccess: MetricsNodes,
		// More than there are ports of one address to one backend. Open vSwitch has 3,000,000 in userspace; the kernel
		// has 262,144 by default, and on large machines more.
		PodConnections: 65536,
		LogLevel:       "info",
	}
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return nil, fmt.Errorf("not a configuration: %w", err)
	}
	return c.validate()
}

func (c Config) validate() (*Parsed, error) {
	p := &Parsed{Config: c}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	p.Cluster, err = prefixes("clusterCIDRs", c.ClusterCIDRs)
	note(err)
	p.Service, err = prefixes("serviceCIDRs", c.ServiceCIDRs)
	note(err)
	p.Join, err = prefixes("joinCIDRs", c.JoinCIDRs)
	note(err)
	p.Alias, err = prefixes("aliasCIDRs", c.AliasCIDRs)
	note(err)
	for _, alias := range p.Alias {
		// The router, this host behind its alias, and the host's side: .1, .2 and .3.
		if alias.Addr().BitLen()-alias.Bits() < 3 {
			note(fmt.Errorf("aliasCIDRs: %s is too small; write a /29 or /125, or a larger network", alias))
		}
	}
	note(disjoint(map[string][]netip.Prefix{
		"clusterCIDRs": p.Cluster, "serviceCIDRs": p.Service, "joinCIDRs": p.Join, "aliasCIDRs": p.Alias,
	}))
	p.NodePort, err = portRange(c.NodePortRange)
	note(err)
	if c.MTU != 0 && (c.MTU < 576 || c.MTU > 65000) {
		note(fmt.Errorf("mtu: %d is not possible; write 576 to 65000 (with IPv6 at least 1280), or 0 to follow the underlay", c.MTU))
	}
	if c.PodConnections < 0 || c.PodConnections > math.MaxUint32 {
		note(fmt.Errorf("podConnections: %d is not possible; write 1 to %d, or 0 for no bound", c.PodConnections, uint32(math.MaxUint32)))
	}
	note(oneOf("datapath", c.Datapath, datapaths))
	note(oneOf("forwarding", c.Forwarding, []string{ForwardingCluster, ForwardingOpen}))
	note(oneOf("metricsAccess", c.MetricsAccess, []string{MetricsNodes, MetricsPods}))
	note(oneOf("logLevel", c.LogLevel, logLevels))
	note(remote("ovn.northbound", c.OVN.Northbound))
	note(remote("ovn.southbound", c.OVN.Southbound))
	if strings.Contains(c.OVN.Northbound+c.OVN.Southbound, "ssl:") {
		for _, pem := range []struct{ field, path string }{
			{"ovn.privateKey", c.OVN.PrivateKey}, {"ovn.certificate", c.OVN.Certificate}, {"ovn.caCertificate", c.OVN.CACertificate},
		} {
			if pem.path == "" {
				note(fmt.Errorf("%s: is empty; write the path of a PEM file, a database is reached by ssl", pem.field))
			}
		}
	}
	if c.APIServer != "" && !strings.HasPrefix(c.APIServer, "https://") {
		note(fmt.Errorf("apiServer: %q is not a URL; write it as https://<address>:<port>", c.APIServer))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// TCP ports of Woven's programs on nodes: their --metrics-address in dist/manifests.
const (
	ControllerMetrics = 9410
	AgentMetrics      = 9411
)

// ClosedPorts returns the TCP ports of nodes that pods do not reach, sorted: the databases', as configured and as
// OVN has them (6643 and 6644 are those of their clusters), and metrics unless these are open.
func (p *Parsed) ClosedPorts() []uint16 {
	ports := []uint16{6641, 6642, 6643, 6644}
	for _, r := range strings.Split(p.OVN.Northbound+","+p.OVN.Southbound, ",") {
		method, rest, _ := strings.Cut(r, ":")
		if at, err := netip.ParseAddrPort(rest); err == nil && method != "unix" {
			ports = append(ports, at.Port())
		}
	}
	if p.MetricsAccess == MetricsNodes {
		ports = append(ports, ControllerMetrics, AgentMetrics)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func prefixes(field string, texts []string) ([]netip.Prefix, error) {
	var v4, v6 []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %q is not a network; write it as 10.244.0.0/16 or fd00:10:244::/56", field, text)
		case p != p.Masked():
			return nil, fmt.Errorf("%s: %s has bits behind its prefix length; write %s", field, text, p.Masked())
		case p.Addr().Is4():
			v4 = append(v4, p)
		default:
			v6 = append(v6, p)
		}
	}
	if len(v4) > 1 || len(v6) > 1 || len(v4)+len(v6) == 0 {
		return nil, fmt.Errorf("%s: has %d IPv4 and %d IPv6 networks; write one of either family or of both", field, len(v4), len(v6))
	}
	return append(v4, v6...), nil
}

func portRange(text string) (PortRange, error) {
	first, last, ok := strings.Cut(text, "-")
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if !ok || errA != nil || errB != nil || a == 0 || a > b {
		return PortRange{}, fmt.Errorf("nodePortRange: %q is not a range of ports; write it as 30000-32767", text)
	}
	return PortRange{First: uint16(a), Last: uint16(b)}, nil
}

func oneOf(field, value string, allowed []string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not known; write one of %s", field, value, strings.Join(allowed, ", "))
}

func remote(field, text string) error {
	for _, r := range strings.Split(text, ",") {
		method, rest, _ := strings.Cut(r, ":")
		switch method {
		case "ssl", "tcp":
			if _, err := netip.ParseAddrPort(rest); err == nil {
				continue
			}
		case "unix":
			if strings.HasPrefix(rest, "/") {
				continue
			}
		}
		return fmt.Errorf("%s: %q is no connection method; write ssl:<ip>:<port>, tcp:<ip>:<port> or unix:<path>", field, r)
	}
	return nil
}
