package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/pki"
)

func TestNewMakesAChainForServersAndClients(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b, err := pki.New(now, 10)
	require.NoError(t, err)

	_, err = tls.X509KeyPair(b.Certificate, b.PrivateKey)
	require.NoError(t, err, "the key belongs to the certificate")

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(b.CACertificate))
	block, _ := pem.Decode(b.Certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		for _, when := range []time.Time{now, now.AddDate(9, 11, 0)} {
			_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{usage}})
			require.NoError(t, err)
		}
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now.AddDate(10, 0, 1)})
	require.Error(t, err, "it ends when it was said to end")
}

func TestBundlesDoNotTrustEachOther(t *testing.T) {
	now := time.Now()
	a, err := pki.New(now, 1)
	require.NoError(t, err)
	b, err := pki.New(now, 1)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(a.CACertificate))
	block, _ := pem.Decode(b.Certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now})
	require.Error(t, err)
}
