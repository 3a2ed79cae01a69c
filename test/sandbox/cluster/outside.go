package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Names that the world outside of the cluster knows: the external host, and the fabric's addresses that are reached
// by the default route only.
const (
	externalName = "external.sandbox.test"
	remoteName   = "remote.sandbox.test"
)

// startOutside gives the cluster a small world to talk to. On the external host and behind the fabric agnhost tells
// callers over HTTP (port 8080) and UDP (port 8081) from which address they come; the external host is the nodes'
// name server too.
func (c *Cluster) startOutside(context.Context) error {
	echo := machine.Service{Name: "echo",
		Args: []string{filepath.Join(c.programs.Kubernetes, "agnhost"), "netexec", "--http-port=8080", "--udp-port=8081"}}
	for _, name := range []string{plan.External, plan.Fabric} {
		m, err := node(name)
		if err != nil {
			return err
		}
		if err := m.StartService(echo); err != nil {
			return err
		}
	}
	text := c.outsideNames()
	file := filepath.Join(confDir, "outside.corefile")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	m, err := node(plan.External)
	if err != nil {
		return err
	}
	return m.StartService(machine.Service{Name: "dns", Version: deps.Key(text),
		Args: []string{filepath.Join(c.programs.Addons, "coredns"), "-conf", file}})
}

// outsideNames is the configuration of the name server; every other name does not exist.
func (c *Cluster) outsideNames() string {
	var text strings.Builder
	text.WriteString(".:53 {\n    errors\n    hosts {\n")
	for _, ip := range c.External.IPs() {
		fmt.Fprintf(&text, "        %s %s\n", ip, externalName)
	}
	for _, ip := range plan.Addrs(c.Remote) {
		fmt.Fprintf(&text, "        %s %s\n", ip, remoteName)
	}
	text.WriteString("    }\n}\n")
	return text.String()
}
