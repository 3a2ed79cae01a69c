package apiserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/woven-network/woven/test/child"
	"github.com/woven-network/woven/test/sandbox/pki"
)

// patience is how long the API server may take to be ready. It takes some 5 s on two cores of its own.
const patience = 90 * time.Second

// auditPolicy notes who writes what, for those who count writes.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, users: ["system:apiserver"]}
- level: Metadata
`

func (s *Server) start() error {
	policy := filepath.Join(s.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	p := s.programs
	client, peer := "http://"+p.client.String(), "http://"+p.peer.String()
	var err error
	// A power cut may lose the last writes: no matter here, and a slow disk would make everything slow.
	s.etcd, err = run(s.dir, p.etcd, "--name=test", "--data-dir="+filepath.Join(s.dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=test="+peer)
	if err != nil {
		return err
	}
	s.server, err = run(s.dir, p.server, "--etcd-servers="+client,
		"--bind-address="+p.serving.Addr().String(), fmt.Sprintf("--secure-port=%d", p.serving.Port()), "--advertise-address="+p.serving.Addr().String(),
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		"--authorization-mode=AlwaysAllow",
		// No controller-manager makes ServiceAccounts for pods.
		"--disable-admission-plugins=ServiceAccount",
		"--client-ca-file="+pki.CertFile(s.dir, "ca"),
		"--tls-cert-file="+pki.CertFile(s.dir, "server"), "--tls-private-key-file="+pki.KeyFile(s.dir, "server"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+filepath.Join(s.dir, "accounts.pub"), "--service-account-signing-key-file="+pki.KeyFile(s.dir, "accounts"),
		"--audit-policy-file="+policy, "--audit-log-path="+s.AuditLog(),
		// Nothing else listens for requests that it would have to share itself with.
		"--enable-priority-and-fairness=false", "--endpoint-reconciler-type=none")
	if err == nil {
		err = s.ready()
	}
	if err != nil {
		s.Stop()
	}
	return err
}

// ready waits until the server answers and has made its own namespaces: it does not say when that is.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := s.Client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			_, err = s.Client.CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces/default").DoRaw(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-s.server.exited:
			return fmt.Errorf("kube-apiserver ended:\n%s", s.server.last())
		case <-s.etcd.exited:
			return fmt.Errorf("etcd ended:\n%s", s.etcd.last())
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready after %s: %w\n%s", patience, err, s.server.last())
		case <-tick.C:
		}
	}
}

// process is a program that runs until it is killed.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited <-chan struct{}
}

func run(dir, program string, arguments ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, arguments...), log: filepath.Join(dir, filepath.Base(program)+".log")}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, dir
	if p.exited, err = child.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return p, nil
}

func (p *process) kill() {
	if p != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// last returns the end of what the program said.
func (p *process) last() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
