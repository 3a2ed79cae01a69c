package kube

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
)

// Client is what Woven asks of an API server. client-go's clientset has this and all other groups of Kubernetes, whose
// types alone are 7 MB of a program's memory (docs/performance.md); the clients here are made of the same parts.
type Client struct {
	Nodes      Reader[*corev1.NodeList]
	Namespaces Reader[*corev1.NamespaceList]
	// Services and EndpointSlices are those of all namespaces.
	Services       Reader[*corev1.ServiceList]
	EndpointSlices Reader[*discoveryv1.EndpointSliceList]
	// Pods are those of a namespace, or of all with metav1.NamespaceAll.
	Pods func(namespace string) Pods
	// Leases are those of a namespace.
	Leases func(namespace string) Leases
	// Events takes Events of any namespace.
	Events record.EventSink
	// ListsOnly says that it answers no watch that begins with what is (KEP-3157), as the fakes of client-go.
	ListsOnly bool
}

// Reader lists and follows objects of a kind.
type Reader[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// Pods also asks for a pod by name.
type Pods interface {
	Reader[*corev1.PodList]
	Get(context.Context, string, metav1.GetOptions) (*corev1.Pod, error)
}

// Leases reads and writes Leases.
type Leases interface {
	Get(context.Context, string, metav1.GetOptions) (*coordinationv1.Lease, error)
	Create(context.Context, *coordinationv1.Lease, metav1.CreateOptions) (*coordinationv1.Lease, error)
	Update(context.Context, *coordinationv1.Lease, metav1.UpdateOptions) (*coordinationv1.Lease, error)
}

// Scheme has the types of a Client.
var Scheme = scheme()

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, metav1.SchemeGroupVersion)
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, coordinationv1.AddToScheme} {
		utilruntime.Must(add(s))
	}
	return s
}

// NewClient returns a Client of the API server that the configuration says.
func NewClient(c *rest.Config) (*Client, error) {
	c = rest.CopyConfig(c)
	if c.UserAgent == "" {
		c.UserAgent = rest.DefaultKubernetesUserAgent() // It names the writer in managedFields and the audit log.
	}
	transport, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver: %w", err)
	}
	group := func(version schema.GroupVersion) rest.Interface {
		own := rest.CopyConfig(c)
		own.GroupVersion, own.APIPath = &version, "/apis"
		if version.Group == "" {
			own.APIPath = "/api"
		}
		own.NegotiatedSerializer = serializer.NewCodecFactory(Scheme).WithoutConversion()
		own.ContentType = runtime.ContentTypeProtobuf
		own.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		client, failed := rest.RESTClientForConfigAndClient(own, transport)
		if failed != nil {
			err = fmt.Errorf("kube-apiserver: %w", failed)
		}
		return client
	}
	core, discovery, coordination := group(corev1.SchemeGroupVersion), group(discoveryv1.SchemeGroupVersion), group(coordinationv1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	parameters := runtime.NewParameterCodec(Scheme)
	return &Client{
		Nodes:          gentype.NewClientWithList("nodes", core, parameters, "", newOf[corev1.Node], newOf[corev1.NodeList]),
		Namespaces:     gentype.NewClientWithList("namespaces", core, parameters, "", newOf[corev1.Namespace], newOf[corev1.NamespaceList]),
		Services:       gentype.NewClientWithList("services", core, parameters, "", newOf[corev1.Service], newOf[corev1.ServiceList]),
		EndpointSlices: gentype.NewClientWithList("endpointslices", discovery, parameters, "", newOf[discoveryv1.EndpointSlice], newOf[discoveryv1.EndpointSliceList]),
		Pods: func(namespace string) Pods {
			return gentype.NewClientWithList("pods", core, parameters, namespace, newOf[corev1.Pod], newOf[corev1.PodList])
		},
		Leases: func(namespace string) Leases {
			return gentype.NewClient("leases", coordination, parameters, namespace, newOf[coordinationv1.Lease])
		},
		Events: events(func(namespace string) *gentype.Client[*corev1.Event] {
			return gentype.NewClient("events", core, parameters, namespace, newOf[corev1.Event])
		}),
	}, nil
}

func newOf[T any]() *T { return new(T) }

// IsWatchListSemanticsUnSupported tells client-go's reflectors of ListsOnly.
func (c *Client) IsWatchListSemanticsUnSupported() bool { return c.ListsOnly }

// events writes Events of any namespace.
type events func(namespace string) *gentype.Client[*corev1.Event]

// Create implements record.EventSink.
func (e events) Create(event *corev1.Event) (*corev1.Event, error) {
	return e(event.Namespace).Create(context.Background(), event, metav1.CreateOptions{})
}

// Update implements record.EventSink.
func (e events) Update(event *corev1.Event) (*corev1.Event, error) {
	return e(event.Namespace).Update(context.Background(), event, metav1.UpdateOptions{})
}

// Patch implements record.EventSink.
func (e events) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return e(event.Namespace).Patch(context.Background(), event.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
}
