package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The runtime executes the shim for every pod, so it must start at once: it may not grow what its work does not need.
func TestTheShimLinksLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, dep := range strings.Fields(string(out)) {
		for _, heavy := range []string{"k8s.io/", "libovsdb", "prometheus", "zap", "cobra", "net/http", "vishvananda/netlink"} {
			require.NotContains(t, dep, heavy)
		}
	}
}
