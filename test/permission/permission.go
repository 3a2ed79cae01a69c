// Package permission writes what a ServiceAccount may do as text that a person can read.
package permission

import (
	"cmp"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Lines returns a line for each verb and resource of the rules, which apply in a namespace or, if it is empty, in all:
//
//	woven-system/woven-controller: get leases.coordination.k8s.io woven-controller in woven-system
//
// The name of an object stands after its resource if a rule is for that object alone.
func Lines(namespace, account, in string, rules []rbacv1.PolicyRule) []string {
	var lines []string
	for _, r := range rules {
		names := r.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range r.Verbs {
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, name := range names {
						words := []string{verb, strings.TrimSuffix(resource+"."+group, "."), name}
						what := strings.Join(strings.Fields(strings.Join(words, " ")), " ")
						lines = append(lines, fmt.Sprintf("%s/%s: %s in %s", namespace, account, what, cmp.Or(in, "all namespaces")))
					}
				}
			}
			for _, url := range r.NonResourceURLs {
				lines = append(lines, fmt.Sprintf("%s/%s: %s %s", namespace, account, verb, url))
			}
		}
	}
	return lines
}
