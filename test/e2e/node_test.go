//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// node is a node of the cluster.
type node struct {
	name         string
	controlPlane bool
	// ips are its addresses on the underlay, ovn0 those of its port in its pod subnet, one of each family.
	ips, ovn0 []netip.Addr
}

func controlPlane() node { return cluster.nodes[0] }
func workers() []node    { return cluster.nodes[1:] }

// run runs a command in all namespaces of the node, as an administrator logged in there would, and returns its
// standard output. The test fails when the command does.
func (n node) run(t *testing.T, argv ...string) string {
	t.Helper()
	return runOn(t, n.name, argv...)
}

// place is the node's own network namespace.
func (n node) place(t *testing.T) place {
	t.Helper()
	return machinePlace(t, n.name)
}

// runOn is run for any machine of the sandbox.
func runOn(t *testing.T, name string, argv ...string) string {
	t.Helper()
	out, errs, err := commandOn(t, name, time.Minute, "", argv...)
	require.NoErrorf(t, err, "on %s: %q: %s%s", name, argv, out, errs)
	return out
}

// commandOn runs a command on a machine and returns its output and error output, whether it fails or not.
func commandOn(t *testing.T, name string, timeout time.Duration, stdin string, argv ...string) (string, string, error) {
	t.Helper()
	m, ok := machine.Find(name)
	require.Truef(t, ok, "the sandbox has no running machine %s", name)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	inside := m.Command(argv...)
	cmd := exec.CommandContext(ctx, inside.Path, inside.Args[1:]...)
	cmd.Stdin = bytes.NewBufferString(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.String(), errs.String(), err
}

// of returns the address of that family, and false when there is none.
func of(addrs []netip.Addr, v4 bool) (netip.Addr, bool) {
	for _, a := range addrs {
		if a.Is4() == v4 {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// families are the IP families that the cluster's nodes have, true for IPv4.
func families() []bool {
	var fs []bool
	for _, v4 := range []bool{true, false} {
		if _, ok := of(cluster.nodes[0].ovn0, v4); ok {
			fs = append(fs, v4)
		}
	}
	return fs
}

func familyName(v4 bool) string {
	if v4 {
		return "IPv4"
	}
	return "IPv6"
}

// sandboxPlan are the addresses of the sandbox that is up.
func sandboxPlan(t *testing.T) plan.Plan {
	t.Helper()
	o := plan.Defaults()
	o.Nodes = len(cluster.nodes)
	switch fs := families(); {
	case len(fs) == 2:
		o.Families = "dual"
	case fs[0]:
		o.Families = "ipv4"
	default:
		o.Families = "ipv6"
	}
	p, err := plan.New(o)
	require.NoError(t, err)
	return p
}
