// Package addon renders what the sandbox deploys into its cluster beside Woven.
package addon

import (
	_ "embed"
	"net/netip"
	"strings"
	"text/template"
)

//go:embed coredns.yaml
var coreDNS string

// CoreDNS returns the manifests of cluster DNS. The Service gets these addresses, one of each IP family.
func CoreDNS(image string, clusterIPs []netip.Addr) (string, error) {
	t, err := template.New("coredns.yaml").Parse(coreDNS)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = t.Execute(&text, struct {
		Image      string
		ClusterIPs []netip.Addr
	}{image, clusterIPs})
	return text.String(), err
}
