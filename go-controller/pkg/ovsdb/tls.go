package ovsdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tls returns the configuration for "ssl:" remotes. As with all tools of Open vSwitch, a peer is who it says it is
// when our CA has signed its certificate: no name is compared, the remotes are addresses. The files are read
// for each connection, so renewed certificates need no restart.
func (t Target) tls() (*tls.Config, error) {
	if _, err := t.certificate(); err != nil {
		return nil, err
	}
	if _, err := t.authority(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return t.certificate()
		},
		InsecureSkipVerify: true, // Replaced by VerifyConnection, which leaves out only the comparison of names.
		VerifyConnection: func(state tls.ConnectionState) error {
			roots, err := t.authority()
			if err != nil {
				return err
			}
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server has shown no certificate")
			}
			intermediates := x509.NewCertPool()
			for _, c := range state.PeerCertificates[1:] {
				intermediates.AddCert(c)
			}
			_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
			return err
		},
	}, nil
}

func (t Target) certificate() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w; ovn.certificate and ovn.privateKey must name PEM files that belong together", t.Name, err)
	}
	return &pair, nil
}

func (t Target) authority() (*x509.CertPool, error) {
	pem, err := os.ReadFile(t.CACertificate)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w; ovn.caCertificate must name a PEM file", t.Name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("database %s: %s holds no certificate; ovn.caCertificate must name a PEM file", t.Name, t.CACertificate)
	}
	return pool, nil
}
