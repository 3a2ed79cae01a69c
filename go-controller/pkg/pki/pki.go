// Package pki makes the certificates with which the OVN databases and their clients know each other.
//
// OVSDB over TLS is mutual: a server or client trusts a peer that shows a certificate signed by the common CA; host
// names play no part, so one certificate serves all of them (ovsdb(7), "ssl:").
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Bundle is what a program needs to speak to an OVN database, each a PEM text.
type Bundle struct {
	PrivateKey    []byte
	Certificate   []byte
	CACertificate []byte
}

// New makes a CA, a key and a certificate signed by that CA. The CA's own key is forgotten: a certificate for a
// new member means a new bundle for all. now is the begin of validity, and years how long it lasts.
func New(now time.Time, years int) (Bundle, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Bundle{}, fmt.Errorf("certificates: CA key: %w", err)
	}
	// A clock that is a little behind must not refuse a certificate made this minute.
	from, to := now.Add(-time.Hour), now.AddDate(years, 0, 0)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Woven OVN CA"},
		NotBefore:             from,
		NotAfter:              to,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Bundle{}, fmt.Errorf("certificates: key: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "woven"},
		DNSNames:     []string{"woven"},
		NotBefore:    from,
		NotAfter:     to,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	var b Bundle
	if b.CACertificate, err = sign(ca, ca, &caKey.PublicKey, caKey); err != nil {
		return Bundle{}, err
	}
	if b.Certificate, err = sign(leaf, ca, &key.PublicKey, caKey); err != nil {
		return Bundle{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Bundle{}, fmt.Errorf("certificates: key: %w", err)
	}
	b.PrivateKey = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return b, nil
}

func sign(cert, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("certificates: %s: %w", cert.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
