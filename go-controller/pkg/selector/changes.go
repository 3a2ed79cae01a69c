package selector

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// PodChange says for a pod which selectors select it now and did not before, and which did and do not now. IDs are
// sorted.
type PodChange struct{ Added, Removed []ID }

// SetPod says that a pod exists and has these labels. Which pods count is the caller's decision: one that uses its
// node's network or has finished is no pod for a policy. A pod may come before its namespace: until that is known,
// the pod is selected by what selects it whatever labels the namespace has.
func (x *Index) SetPod(namespace, name string, labels map[string]string) PodChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.setPod(namespace, name, labels)
}

func (x *Index) setPod(namespace, name string, labels map[string]string) PodChange {
	ns := x.namespace(namespace)
	before := ns.pods[name]
	if before != nil && maps.Equal(before.sets[ofPods].labels, labels) {
		return PodChange{}
	}
	after := x.group(ns, x.intern(labels))
	var change PodChange
	if before == nil {
		change.Added = x.cross(after.sets[ofPods].terms, ns.labels)
		name = strings.Clone(name) // It would keep the memory of the whole object.
	} else {
		change.Added = x.crossOthers(after, before)
		change.Removed = x.crossOthers(before, after)
		name = x.takeOut(before, name)
	}
	at, _ := slices.BinarySearch(after.pods, name)
	after.pods = slices.Insert(after.pods, at, name)
	ns.pods[name] = after
	return change
}

// DeletePod says that a pod does not exist.
func (x *Index) DeletePod(namespace, name string) PodChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.deletePod(namespace, name)
}

func (x *Index) deletePod(namespace, name string) PodChange {
	ns := x.namespaces[namespace]
	if ns == nil || ns.pods[name] == nil {
		return PodChange{}
	}
	g := ns.pods[name]
	change := PodChange{Removed: x.cross(g.sets[ofPods].terms, ns.labels)}
	delete(ns.pods, name)
	x.takeOut(g, name)
	x.forget(ns)
	return change
}

// GroupChange says for some pods of one namespace what PodChange says for one. Names and IDs are sorted.
type GroupChange struct {
	Namespace string
	Pods      []string
	PodChange
}

// SetNamespace says that a namespace exists and has these labels. It returns what changes for its pods, each pod once
// at most.
func (x *Index) SetNamespace(name string, labels map[string]string) []GroupChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.setNamespace(name, labels)
}

func (x *Index) setNamespace(name string, labels map[string]string) []GroupChange {
	ns := x.namespace(name)
	if labels[corev1.LabelMetadataName] != name {
		labels = maps.Clone(labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = name
	}
	if ns.known && maps.Equal(ns.labels.labels, labels) {
		return nil
	}
	ns.known = true
	return x.relabel(ns, labels)
}

// DeleteNamespace says that a namespace does not exist, or that nothing is known of it but its name.
func (x *Index) DeleteNamespace(name string) []GroupChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.deleteNamespace(name)
}

func (x *Index) deleteNamespace(name string) []GroupChange {
	ns := x.namespaces[name]
	if ns == nil || !ns.known {
		return nil
	}
	ns.known = false
	changes := x.relabel(ns, labels.Set{corev1.LabelMetadataName: name})
	x.forget(ns)
	return changes
}

func (x *Index) relabel(ns *namespace, to labels.Set) []GroupChange {
	gained, lost := x.matchers[ofNamespaces].relabel(ns.labels, to, !ns.known)
	var changes []GroupChange
	for _, g := range ns.labels.groups {
		change := PodChange{Added: x.cross(gained, g.sets[ofPods]), Removed: x.cross(lost, g.sets[ofPods])}
		if len(change.Added)+len(change.Removed) > 0 {
			changes = append(changes, GroupChange{ns.name, slices.Clone(g.pods), change})
		}
	}
	slices.SortFunc(changes, func(a, b GroupChange) int { return strings.Compare(a.Pods[0], b.Pods[0]) })
	return changes
}
