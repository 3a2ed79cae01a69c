package control

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// podsPerNode leaves three addresses of a /24 unused.
const podsPerNode = 250

// writers is how many requests are sent to the API server at once.
const writers = 32

const namespace = "default"

func nodeName(n int) string { return fmt.Sprintf("node-%03d", n) }

// podName is the name of the n-th pod; generation tells pods that are made again from their predecessors.
func podName(n, generation int) string { return fmt.Sprintf("web-%05d-%d", n, generation) }

// addNodes makes nodes, each with the chassis that its agent and ovn-controller would make.
func (w *world) addNodes(ctx context.Context, from, to int) error {
	var chassis []string
	for n := from; n < to; n++ {
		ip := fmt.Sprintf("172.16.%d.%d", n/200, n%200+10)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName(n), Labels: map[string]string{"kubernetes.io/hostname": nodeName(n)}},
			Spec:       corev1.NodeSpec{PodCIDRs: []string{fmt.Sprintf("10.%d.%d.0/24", 240+n/256, n%256), fmt.Sprintf("fd00:10:240:%x::/64", n+1)}},
			Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}},
		}
		node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
		if _, err := w.api.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
		options := fmt.Sprintf("woven-mac=02:00:00:00:%02x:%02x,woven-ip4=%s/16,woven-via4=172.16.0.1", n/256, n%256, ip)
		if _, err := nodelink.ParseGateway(options); err != nil {
			return err
		}
		chassis = append(chassis, "--", "chassis-add", nodeName(n), "geneve", ip,
			"--", "set", "Chassis", nodeName(n), `other_config:ovn-cms-options="`+options+`"`)
	}
	if len(chassis) == 0 {
		return nil
	}
	_, err := w.tool(ctx, "ovn-sbctl", append([]string{"--db=" + w.south.remote}, chassis[1:]...)...)
	return err
}

// addPods makes pods from..to and returns the names that their ports will have.
func (w *world) addPods(ctx context.Context, from, to, generation int) (map[string]struct{}, error) {
	ports := map[string]struct{}{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for n := from; n < to; n++ {
		ports[namespace+"/"+podName(n, generation)] = struct{}{}
		group.Go(func() error {
			_, err := w.api.Client.CoreV1().Pods(namespace).Create(ctx, newPod(n, generation), metav1.CreateOptions{})
			return err
		})
	}
	return ports, group.Wait()
}

// removePods deletes pods as kubelet does when they have ended.
func (w *world) removePods(ctx context.Context, from, to, generation int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	now := int64(0)
	for n := from; n < to; n++ {
		group.Go(func() error {
			return w.api.Client.CoreV1().Pods(namespace).Delete(ctx, podName(n, generation), metav1.DeleteOptions{GracePeriodSeconds: &now})
		})
	}
	return group.Wait()
}

// newPod returns a pod as large as one of a usual Deployment is: what the controller is sent and throws away counts too.
func newPod(n, generation int) *corev1.Pod {
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")}}, PeriodSeconds: 10}
	amounts := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")}
	c := corev1.Container{
		Name: "web", Image: "registry.example/team/web:v1.2.3", Args: []string{"--listen=:8080", "--log-level=info"},
		Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}},
		Resources: corev1.ResourceRequirements{Requests: amounts, Limits: amounts}, LivenessProbe: probe, ReadinessProbe: probe,
		VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/web"}, {Name: "data", MountPath: "/var/lib/web"}},
	}
	for i := range 10 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprint("SETTING_", i), Value: strings.Repeat("v", 20)})
	}
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: podName(n, generation), Namespace: namespace,
			Labels:      map[string]string{"app": fmt.Sprint("web-", n/20), "pod-template-hash": "5d4f8c7b9", "tier": "front"},
			Annotations: map[string]string{"example.com/restarted-at": "today", "prometheus.io/scrape": "true"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: fmt.Sprintf("web-%d-5d4f8c7b9", n/20), UID: "1d7f0a3e-0000-4000-8000-000000000000", Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(n / podsPerNode), Containers: []corev1.Container{c},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "web"}}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}
