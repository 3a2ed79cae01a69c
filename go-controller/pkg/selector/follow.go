package selector

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/kube"
)

// Fill takes up all namespaces and pods of a View. Follow must be called for every change that the View shows later.
func (x *Index) Fill(v *kube.View) {
	for _, ns := range v.Namespaces() {
		x.Follow(v, kube.Change{New: ns})
	}
	for _, p := range v.Pods() {
		x.Follow(v, kube.Change{New: p})
	}
}

// Follow takes up a change that the View shows already. It reads the state from the View and not from the change, so it
// does not matter how late a change comes, or how often. A pod counts while it is on the network. It returns the pods
// that other selectors select now; nothing for a change of any other kind.
func (x *Index) Follow(v *kube.View, change kube.Change) []GroupChange {
	x.mu.Lock()
	defer x.mu.Unlock()
	about := change.Objects()[0]
	namespace, name := about.GetNamespace(), about.GetName()
	switch about.(type) {
	case *corev1.Namespace:
		if ns := v.Namespace(name); ns != nil {
			return x.setNamespace(name, ns.Labels)
		}
		return x.deleteNamespace(name)
	case *kube.Pod:
		var one PodChange
		if p := v.Pod(namespace, name); kube.OnNetwork(p) {
			one = x.setPod(namespace, name, p.Labels)
		} else {
			one = x.deletePod(namespace, name)
		}
		if len(one.Added)+len(one.Removed) > 0 {
			return []GroupChange{{namespace, []string{name}, one}}
		}
	}
	return nil
}
