package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/golden"
	"github.com/woven-network/woven/test/permission"
)

// TestPermissions compares what ServiceAccounts may do, by the manifests, with testdata/permissions.txt. The
// end-to-end tests ask a real API server for the same.
func TestPermissions(t *testing.T) {
	all := read(t)
	var lines []string
	for _, b := range all.roleBindings {
		i := slices.IndexFunc(all.roles, func(r namedRole) bool {
			return r.kind == b.roleKind && r.name == b.roleName && r.namespace == b.roleNamespace()
		})
		require.GreaterOrEqual(t, i, 0, "%s %s is bound and not there", b.roleKind, b.roleName)
		for _, s := range b.subjects {
			require.Equal(t, "ServiceAccount", s.Kind, "a subject of %s", b.roleName)
			lines = append(lines, permission.Lines(s.Namespace, s.Name, b.namespace, all.roles[i].rules)...)
		}
	}
	slices.Sort(lines)
	golden.Compare(t, "permissions", strings.Join(slices.Compact(lines), "\n")+"\n")
}
