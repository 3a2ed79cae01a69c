package pki

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretName is the Secret that dist/manifests mount at /etc/woven/tls.
const SecretName = "woven-ovn-tls"

// Secret wraps a bundle in the Secret that dist/manifests mount.
func Secret(namespace string, b Bundle) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: SecretName},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{"key.pem": b.PrivateKey, "cert.pem": b.Certificate, "ca.pem": b.CACertificate},
	}
}
