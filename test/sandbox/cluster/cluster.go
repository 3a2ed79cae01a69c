// Package cluster brings the sandbox up and down and answers questions about it.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/woven-network/woven/test/sandbox/deps"
	"github.com/woven-network/woven/test/sandbox/image"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// Cluster is the one sandbox of this computer.
type Cluster struct {
	plan.Plan
	// repo is the repository's root, cache what is kept when the sandbox goes.
	repo  string
	cache deps.Cache
	// out is where progress is told.
	out io.Writer

	// programs and images are found by the steps that make them.
	programs image.Programs
	images   []image.Built
}

// Files of the sandbox's state.
var (
	optionsFile = filepath.Join(machine.StateDir, "options.json")
	pkiDir      = filepath.Join(machine.StateDir, "pki")
	confDir     = filepath.Join(machine.StateDir, "conf")
	// KubeconfigFile is the administrator's, for the root network namespace.
	KubeconfigFile = filepath.Join(confDir, kube.Admin+".conf")
	// insideKubeconfig is the same for use inside the machines.
	insideKubeconfig = filepath.Join(confDir, kube.Admin+"-inside.conf")
	forwardFile      = filepath.Join(machine.StateDir, "api-forward")
)

// ErrDown says that there is no sandbox.
var ErrDown = errors.New("no sandbox is up; `make up` brings one up")

// New returns the sandbox with these options, whether it is up or not.
func New(o plan.Options, out io.Writer) (*Cluster, error) {
	p, err := plan.New(o)
	if err != nil {
		return nil, err
	}
	repo, err := repository()
	if err != nil {
		return nil, err
	}
	cache, err := deps.OpenCache()
	if err != nil {
		return nil, err
	}
	return &Cluster{Plan: p, repo: repo, cache: cache, out: out, programs: image.Programs{Repo: repo}}, nil
}

// Open returns the sandbox that is up, or ErrDown.
func Open(out io.Writer) (*Cluster, error) {
	text, err := os.ReadFile(optionsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrDown
	}
	if err != nil {
		return nil, err
	}
	var o plan.Options
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("%s: %w; `make down` clears it", optionsFile, err)
	}
	return New(o, out)
}

// repository finds the root of the repository that the working folder is in.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "test", "k8s", "go.mod")); err == nil {
			return d, nil
		}
		if d == "/" {
			return "", fmt.Errorf("%s is not inside Woven's repository; run it there", dir)
		}
	}
}

// claim writes down the options, or refuses other options than those of the sandbox that is up.
func (c *Cluster) claim() error {
	old, err := os.ReadFile(optionsFile)
	if err == nil {
		err = c.adopt(old)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, failed := json.Marshal(c.Options)
	if failed != nil {
		return failed
	}
	switch {
	case err == nil && string(old) != string(text):
		return fmt.Errorf("a sandbox with other options is up (%s); `make down` first", old)
	case err == nil:
		return nil
	}
	for _, dir := range []string{machine.StateDir, machine.RunDir, confDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(optionsFile, text, 0o644)
}

// apiForward is the address in the root network namespace that leads to kube-apiserver: a port that does not
// change from sandbox to sandbox, if it is free.
func apiForward() (string, error) {
	if text, err := os.ReadFile(forwardFile); err == nil {
		return string(text), nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:16443")
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), os.WriteFile(forwardFile, []byte(l.Addr().String()), 0o644)
}

// kubectl returns a kubectl command for the cluster.
func (c *Cluster) kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.programs.Kubernetes, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+KubeconfigFile)
	return cmd
}

// runKubectl runs kubectl with an input, which may be empty; its error holds what kubectl said.
func (c *Cluster) runKubectl(ctx context.Context, input string, args ...string) error {
	cmd := c.kubectl(ctx, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// kubernetes is the folder of kubectl and its siblings.
func (c *Cluster) kubernetes() (string, error) {
	if c.programs.Kubernetes != "" {
		return c.programs.Kubernetes, nil
	}
	kubernetes, _, err := deps.Find(c.cache)
	return kubernetes, err
}

// node returns a running machine.
func node(name string) (machine.Machine, error) {
	m, ok := machine.Find(name)
	if !ok {
		return machine.Machine{}, fmt.Errorf("machine %s is not running; `make up` starts it", name)
	}
	return m, nil
}
