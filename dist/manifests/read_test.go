// Package manifests tests the manifests.
package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// objects are what the manifests hold.
type objects struct {
	workloads    []workload
	roles        []namedRole
	roleBindings []binding
}

// workload is a Deployment or a DaemonSet.
type workload struct {
	Name string
	Spec corev1.PodSpec
}

// namedRole is a Role, or a ClusterRole without a namespace.
type namedRole struct {
	kind, namespace, name string
	rules                 []rbacv1.PolicyRule
}

// binding is a RoleBinding, or a ClusterRoleBinding without a namespace.
type binding struct {
	namespace, roleKind, roleName string
	subjects                      []rbacv1.Subject
}

func (b binding) roleNamespace() string {
	if b.roleKind == "ClusterRole" {
		return ""
	}
	return b.namespace
}

// read reads the files that kustomization.yaml names. A kind that it does not know fails the test.
func read(t *testing.T) objects {
	t.Helper()
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	decode(t, "kustomization.yaml", text(t, "kustomization.yaml"), &kustomization, yaml.Unmarshal)
	var all objects
	for _, file := range kustomization.Resources {
		for _, document := range strings.Split(text(t, file), "\n---\n") {
			all.add(t, file, document)
		}
	}
	return all
}

func (o *objects) add(t *testing.T, file, document string) {
	t.Helper()
	var kind struct {
		Kind string `json:"kind"`
	}
	decode(t, file, document, &kind, yaml.Unmarshal)
	into := func(object any) { decode(t, file, document, object, yaml.UnmarshalStrict) }
	switch kind.Kind {
	case "Namespace", "ServiceAccount":
	case "Deployment":
		var d appsv1.Deployment
		into(&d)
		o.workloads = append(o.workloads, workload{d.Name, d.Spec.Template.Spec})
	case "DaemonSet":
		var d appsv1.DaemonSet
		into(&d)
		o.workloads = append(o.workloads, workload{d.Name, d.Spec.Template.Spec})
	case "Role":
		var r rbacv1.Role
		into(&r)
		o.roles = append(o.roles, namedRole{kind.Kind, r.Namespace, r.Name, r.Rules})
	case "ClusterRole":
		var r rbacv1.ClusterRole
		into(&r)
		o.roles = append(o.roles, namedRole{kind.Kind, "", r.Name, r.Rules})
	case "RoleBinding":
		var b rbacv1.RoleBinding
		into(&b)
		o.roleBindings = append(o.roleBindings, binding{b.Namespace, b.RoleRef.Kind, b.RoleRef.Name, b.Subjects})
	case "ClusterRoleBinding":
		var b rbacv1.ClusterRoleBinding
		into(&b)
		o.roleBindings = append(o.roleBindings, binding{"", b.RoleRef.Kind, b.RoleRef.Name, b.Subjects})
	default:
		require.Failf(t, "unknown kind", "%s has a %s: say here what it may do", file, kind.Kind)
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Clean(file))
	require.NoError(t, err)
	return string(content)
}

func decode(t *testing.T, file, document string, into any, unmarshal func([]byte, any, ...yaml.JSONOpt) error) {
	t.Helper()
	require.NoError(t, unmarshal([]byte(document), into), file)
}
