// Package kubetest helps tests of what asks an API server.
package kubetest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/woven-network/woven/go-controller/pkg/kube"
)

// Client returns a Client that asks a clientset, such as a fake one.
func Client(c kubernetes.Interface) *kube.Client {
	return &kube.Client{
		Nodes: c.CoreV1().Nodes(), Namespaces: c.CoreV1().Namespaces(), Services: c.CoreV1().Services(metav1.NamespaceAll),
		EndpointSlices: c.DiscoveryV1().EndpointSlices(metav1.NamespaceAll),
		Pods:           func(namespace string) kube.Pods { return c.CoreV1().Pods(namespace) },
		Leases:         func(namespace string) kube.Leases { return c.CoordinationV1().Leases(namespace) },
		Events:         &typedcorev1.EventSinkImpl{Interface: c.CoreV1().Events("")},
		ListsOnly:      true,
	}
}
