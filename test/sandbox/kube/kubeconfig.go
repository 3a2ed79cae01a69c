package kube

import (
	"encoding/base64"
	"fmt"
	"os"

	"github.com/woven-network/woven/test/sandbox/pki"
)

// Kubeconfig returns a kubeconfig(5) for the user whose certificate is <dir>/<name>.crt, with the certificates
// inside so that the file can be taken elsewhere.
func Kubeconfig(server, caFile, dir, name string) ([]byte, error) {
	var encoded [3]any
	for i, path := range []string{caFile, pki.CertFile(dir, name), pki.KeyFile(dir, name)} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		encoded[i] = base64.StdEncoding.EncodeToString(text)
	}
	return fmt.Appendf(nil, kubeconfig, server, encoded[0], name, encoded[1], encoded[2]), nil
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: woven-sandbox
  cluster:
    server: %s
    certificate-authority-data: %s
contexts:
- name: woven-sandbox
  context: {cluster: woven-sandbox, user: %[3]s}
current-context: woven-sandbox
users:
- name: %[3]s
  user:
    client-certificate-data: %s
    client-key-data: %s
`
