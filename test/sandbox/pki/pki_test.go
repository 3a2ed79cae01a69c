package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIssuedCertificateIsTrustedForItsNamesAndAddresses(t *testing.T) {
	dir := t.TempDir()
	ca, err := NewAuthority(dir, "ca")
	require.NoError(t, err)
	require.NoError(t, ca.Issue("server", Subject{
		CommonName: "system:node:a", Organization: []string{"system:nodes"}, DNSNames: []string{"a"},
		IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	}))

	pair, err := tls.LoadX509KeyPair(CertFile(dir, "server"), KeyFile(dir, "server"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	text, err := os.ReadFile(ca.CertFile())
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(text))
	for _, name := range []string{"a", "192.0.2.1", "2001:db8::1"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}})
			require.NoError(t, err, name)
		}
	}
	require.Equal(t, []string{"system:nodes"}, pair.Leaf.Subject.Organization)
}

func TestSecondCallKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	make := func() map[string]string {
		ca, err := NewAuthority(dir, "ca")
		require.NoError(t, err)
		require.NoError(t, ca.Issue("a", Subject{CommonName: "a"}))
		require.NoError(t, NewKey(dir, "tokens"))
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		texts := map[string]string{}
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			texts[f] = string(text)
		}
		return texts
	}
	first := make()
	require.Len(t, first, 6)
	require.Equal(t, first, make())
}
