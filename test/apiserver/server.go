// Package apiserver runs a real kube-apiserver with its etcd on loopback, without nodes: for tests and measurements of
// the controller alone. It needs no root and what `make prepare` puts into the cache. Nobody schedules pods here, ends
// them or hands out networks: a test makes Nodes with spec.podCIDRs and Pods with spec.nodeName, and deletes them without
// a grace period.
package apiserver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/pki"
)

// Server is a running kube-apiserver.
type Server struct {
	// Config is an administrator's. It has no rate limit: a test that waits for itself measures nothing.
	Config *rest.Config
	// Client is made from Config.
	Client kubernetes.Interface

	dir          string
	programs     programs
	etcd, server *process
}

// programs are the paths of what is run, and the addresses they listen at.
type programs struct {
	etcd, server          string
	client, peer, serving netip.AddrPort
}

// Start runs a server that ends with the test. The test fails when the machine lacks the programs.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "apiserver")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Run starts a server whose data, certificates and logs are in a folder. Stop ends it; so does the end of this process.
func Run(dir string) (*Server, error) {
	p, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, programs: p}
	ca, err := certificates(dir)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	s.Config = &rest.Config{
		Host: "https://" + p.serving.String(), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: ca, CertFile: pki.CertFile(dir, "admin"), KeyFile: pki.KeyFile(dir, "admin")},
	}
	s.Config.ContentType = "application/vnd.kubernetes.protobuf"
	if s.Client, err = kubernetes.NewForConfig(s.Config); err != nil {
		return nil, err
	}
	return s, s.start()
}

// AuditLog is the path of the API server's log of requests: one JSON object a line, of level Metadata, for each write.
func (s *Server) AuditLog() string { return filepath.Join(s.dir, "audit.log") }

// Stop kills kube-apiserver and etcd, as a power cut would. The data stays.
func (s *Server) Stop() {
	s.server.kill()
	s.etcd.kill()
}

// Continue starts what Stop has ended.
func (s *Server) Continue(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func find() (programs, error) {
	cache, err := deps.OpenCache()
	if err != nil {
		return programs{}, err
	}
	kubernetes, addons, err := deps.Find(cache)
	if err != nil {
		return programs{}, fmt.Errorf("%w; or run `sudo -E make prepare`", err)
	}
	p := programs{server: filepath.Join(kubernetes, "kube-apiserver"), etcd: filepath.Join(addons, deps.Etcd)}
	for _, a := range []*netip.AddrPort{&p.client, &p.peer, &p.serving} {
		if *a, err = freeAddress(); err != nil {
			return programs{}, err
		}
	}
	return p, nil
}

// freeAddress returns an address of loopback at which nobody listens. Another may take it before the program that it is
// for; the program then says so and ends.
func freeAddress() (netip.AddrPort, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer func() { _ = l.Close() }()
	return netip.ParseAddrPort(l.Addr().String())
}

// certificates makes those of the server and of an administrator and returns the path of their authority's.
func certificates(dir string) (string, error) {
	ca, err := pki.NewAuthority(dir, "ca")
	if err != nil {
		return "", err
	}
	if err := ca.Issue("server", pki.Subject{CommonName: "kube-apiserver", IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}); err != nil {
		return "", err
	}
	if err := ca.Issue("admin", pki.Subject{CommonName: "admin", Organization: []string{"system:masters"}}); err != nil {
		return "", err
	}
	return ca.CertFile(), pki.NewKey(dir, "accounts")
}
