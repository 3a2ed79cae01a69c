package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
	"github.com/woven-network/woven/test/sandbox/step"
)

func (c *Cluster) paths() kube.Paths {
	return kube.Paths{
		Bin: c.programs.Kubernetes, PKI: pkiDir, Conf: confDir,
		AuditLog: machine.Log(plan.ControlPlane, "audit"),
		Etcd:     filepath.Join(c.programs.Addons, deps.Etcd),
		EtcdData: filepath.Join(machine.Dir(plan.ControlPlane), "etcd"),
	}
}

func (c *Cluster) startControlPlane(ctx context.Context) error {
	m, err := node(plan.ControlPlane)
	if err != nil {
		return err
	}
	p := c.paths()
	if err := os.MkdirAll(p.EtcdData, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(confDir, kube.AuditPolicy), []byte(kube.AuditPolicyText), 0o644); err != nil {
		return err
	}
	if err := m.StartService(machine.Service{Name: "etcd", Args: kube.Etcd(p)}); err != nil {
		return err
	}
	if err := m.StartService(machine.Service{Name: kube.APIServer, Args: kube.APIServerArgs(c.Plan, p), Version: deps.Key(kube.AuditPolicyText)}); err != nil {
		return err
	}
	if err := c.waitForAPIServer(ctx); err != nil {
		return err
	}
	if err := m.StartService(machine.Service{Name: kube.ControllerManager, Args: kube.ControllerManagerArgs(c.Plan, p)}); err != nil {
		return err
	}
	return m.StartService(machine.Service{Name: kube.Scheduler, Args: kube.SchedulerArgs(p)})
}

// waitForAPIServer asks until kube-apiserver says that it is ready: nothing tells of that by itself.
func (c *Cluster) waitForAPIServer(ctx context.Context) error {
	forward, err := apiForward()
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // only asks for its health, of a port of our own
	}}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		last := "no answer"
		resp, err := client.Get("https://" + forward + "/readyz")
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = string(text)
		}
		if time.Now().After(deadline) {
			return &step.LogError{Err: fmt.Errorf("kube-apiserver is not ready after two minutes: %s", last), Log: machine.Log(plan.ControlPlane, kube.APIServer)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
