// Package pki makes the sandbox's certificates: authorities and what they sign, as PEM files in a folder. Files that
// exist are kept, so that a second bring-up changes no running process's identity.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// lifetime of everything signed here: longer than anybody keeps a sandbox.
const lifetime = 5 * 365 * 24 * time.Hour

// Authority signs certificates. Its own are <dir>/<name>.crt and <dir>/<name>.key.
type Authority struct {
	dir  string
	name string
	cert *x509.Certificate
	key  crypto.Signer
}

// Subject says whom a certificate is for. Every certificate may be used by servers and clients alike.
type Subject struct {
	CommonName string
	// Organization is what Kubernetes takes for the groups of a user.
	Organization []string
	DNSNames     []string
	IPs          []netip.Addr
}

// CertFile is the path of a certificate.
func CertFile(dir, name string) string { return filepath.Join(dir, name+".crt") }

// KeyFile is the path of a certificate's key.
func KeyFile(dir, name string) string { return filepath.Join(dir, name+".key") }

// NewAuthority returns the authority of this name, made if the folder does not hold it.
func NewAuthority(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	template := newTemplate(Subject{CommonName: "woven-sandbox-" + name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = nil
	a := &Authority{dir: dir, name: name}
	if err := a.ensure(name, template, true); err != nil {
		return nil, err
	}
	var err error
	if a.cert, a.key, err = load(dir, name); err != nil {
		return nil, err
	}
	return a, nil
}

// Issue makes <dir>/<name>.crt and <name>.key unless they are there.
func (a *Authority) Issue(name string, s Subject) error {
	return a.ensure(name, newTemplate(s), false)
}

// CertFile is the path of the authority's own certificate.
func (a *Authority) CertFile() string { return CertFile(a.dir, a.name) }

// NewKey makes <dir>/<name>.key and its public half <name>.pub, unless they are there: what service account tokens
// are signed with.
func NewKey(dir, name string) error {
	if exists(KeyFile(dir, name), filepath.Join(dir, name+".pub")) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, name+".pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(dir, name, key)
}

func newTemplate(s Subject) *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.CommonName, Organization: s.Organization},
		DNSNames:    s.DNSNames,
		NotBefore:   time.Now().Add(-time.Hour), // for clocks that disagree
		NotAfter:    time.Now().Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, ip := range s.IPs {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	return t
}

func (a *Authority) ensure(name string, template *x509.Certificate, selfSigned bool) error {
	if exists(CertFile(a.dir, name), KeyFile(a.dir, name)) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	parent, signer := a.cert, a.key
	if selfSigned {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := writeKey(a.dir, name, key); err != nil {
		return err
	}
	return write(CertFile(a.dir, name), "CERTIFICATE", der)
}

func load(dir, name string) (*x509.Certificate, crypto.Signer, error) {
	cert, err := readPEM(CertFile(dir, name))
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, nil, err
	}
	der, err := readPEM(KeyFile(dir, name))
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, err
	}
	return c, key.(crypto.Signer), nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: is no PEM file; `make down` and `make up` make it anew", path)
	}
	return block.Bytes, nil
}

func writeKey(dir, name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(KeyFile(dir, name), "PRIVATE KEY", der)
}

// write puts the whole file there at once: an interruption must not leave half a certificate that looks made.
func write(path, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func exists(paths ...string) bool {
	for _, p := range paths {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}
