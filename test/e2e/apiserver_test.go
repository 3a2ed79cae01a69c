//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testAPIServer reaches the API server through the Service "kubernetes" from a pod and from the network of every
// node, as a program in a pod does: with the service account's token and the cluster's CA, and by the Service's
// address.
func testAPIServer(t *testing.T) {
	ns := newNamespace(t)
	var pods []*corev1.Pod
	for _, n := range cluster.nodes {
		pods = append(pods, netexec("client-"+n.name, n.name))
	}
	ready := run(t, ns, pods...)
	token, err := cluster.client.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ca, err := cluster.client.CoreV1().ConfigMaps(ns).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)
	service, err := cluster.client.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	for _, vip := range clusterIPs(t, service) {
		for _, pod := range ready {
			checkAPI(t, podPlace(t, pod), vip, ca.Data["ca.crt"], token.Status.Token)
		}
		for _, n := range cluster.nodes {
			checkAPI(t, n.place(t), vip, ca.Data["ca.crt"], token.Status.Token)
		}
	}
	t.Run("from-inside", func(t *testing.T) {
		// The way of client-go in a pod: environment, mounted token, mounted CA.
		out := execIn(t, ready[0], "sh", "-c", `test -r /var/run/secrets/kubernetes.io/serviceaccount/token && echo $KUBERNETES_SERVICE_HOST`)
		assert.Equal(t, service.Spec.ClusterIP+"\n", out)
	})
}

func checkAPI(t *testing.T, from place, vip netip.Addr, ca, token string) {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(ca)))
	client := from.httpClient()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	for _, path := range []string{"/readyz", "/version", "/api/v1/namespaces/default"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+netip.AddrPortFrom(vip, 443).String()+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		start := time.Now()
		resp, err := client.Do(req)
		if !assert.NoErrorf(t, err, "%s -> %s", from.name, req.URL) {
			return
		}
		defer resp.Body.Close()
		// The default service account may not read a namespace. That the API server knows whom it refuses
		// shows that the token came through.
		want := http.StatusOK
		if path == "/api/v1/namespaces/default" {
			want = http.StatusForbidden
			var status metav1.Status
			assert.NoError(t, json.NewDecoder(resp.Body).Decode(&status))
			assert.Contains(t, status.Message, "system:serviceaccount:")
		}
		assert.Equalf(t, want, resp.StatusCode, "%s -> %s", from.name, req.URL)
		t.Logf("%-22s -> %s: %d in %s", from.name, req.URL, resp.StatusCode, time.Since(start).Round(time.Millisecond))
	}
}
