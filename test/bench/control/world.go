// Package control measures woven-controller as a process of its own with a real API server, real OVN databases and
// ovn-northd. Nodes and pods are objects in the API and nothing more: no kubelet runs.
package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
	"github.com/woven-network/woven/test/apiserver"
	"github.com/woven-network/woven/test/bench/process"
	"github.com/woven-network/woven/test/sandbox/pki"
)

// controllerUser is the controller's name in the API server's audit log.
const controllerUser = "woven-controller"

// world is everything around the controller.
type world struct {
	dir    string
	api    *apiserver.Server
	north  *database
	south  *database
	northd *process.Process
	// monitor sees what is written into the Northbound database.
	monitor *monitor
	// pods is how many there are.
	pods int
}

// newWorld starts an API server, both databases and northd, with their data and logs in dir.
func newWorld(ctx context.Context, dir string) (*world, error) {
	w := &world{dir: dir}
	if err := w.start(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *world) start(ctx context.Context) (err error) {
	if w.api, err = apiserver.Run(w.dir); err != nil {
		return err
	}
	if w.north, err = startDatabase(ctx, w.dir, "nb", schema.Northbound); err != nil {
		return err
	}
	if w.south, err = startDatabase(ctx, w.dir, "sb", schema.Southbound); err != nil {
		return err
	}
	line, err := ovsdbtest.Find("ovn-northd")
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(w.dir, "northd.log"))
	if err != nil {
		return err
	}
	w.northd, err = process.Start("ovn-northd", log, append(line, "--ovnnb-db="+w.north.remote, "--ovnsb-db="+w.south.remote, "--unixctl=none", "--no-chdir"), environment(w.dir)...)
	if err != nil {
		return err
	}
	if err := w.configure(); err != nil {
		return err
	}
	w.monitor, err = startMonitor(w.north.socket)
	return err
}

func (w *world) stop() {
	if w.monitor != nil {
		w.monitor.stop()
	}
	if w.northd != nil {
		w.northd.Kill()
	}
	for _, d := range []*database{w.north, w.south} {
		if d != nil {
			d.process.Kill()
		}
	}
	if w.api != nil {
		w.api.Stop()
	}
}

// configure writes what the controller is started with: a kubeconfig with an identity of its own, and its configuration.
func (w *world) configure() error {
	ca, err := pki.NewAuthority(w.dir, "ca")
	if err != nil {
		return err
	}
	if err := ca.Issue(controllerUser, pki.Subject{CommonName: controllerUser}); err != nil {
		return err
	}
	k := api.NewConfig()
	k.Clusters["bench"] = &api.Cluster{Server: w.api.Config.Host, CertificateAuthority: ca.CertFile()}
	k.AuthInfos["bench"] = &api.AuthInfo{ClientCertificate: pki.CertFile(w.dir, controllerUser), ClientKey: pki.KeyFile(w.dir, controllerUser)}
	k.Contexts["bench"] = &api.Context{Cluster: "bench", AuthInfo: "bench"}
	k.CurrentContext = "bench"
	if err := clientcmd.WriteToFile(*k, w.path("kubeconfig")); err != nil {
		return err
	}
	text := fmt.Sprintf("ovn: {northbound: %q, southbound: %q}\nclusterCIDRs: [10.240.0.0/12, \"fd00:10:240::/48\"]\n"+
		"serviceCIDRs: [10.96.0.0/16, \"fd00:10:96::/112\"]\n", w.north.remote, w.south.remote)
	return os.WriteFile(w.path("config.yaml"), []byte(text), 0o600)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// database is an ovsdb-server.
type database struct {
	// remote is the connection method, socket its path.
	remote, socket string
	process        *process.Process
}

func startDatabase(ctx context.Context, dir, name string, schema []byte) (*database, error) {
	line, err := ovsdbtest.Find("ovsdb-server")
	if err != nil {
		return nil, err
	}
	file, socket := filepath.Join(dir, name+".db"), filepath.Join(dir, name)
	if err := os.WriteFile(file, ovsdbtest.Database(schema), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p, err := process.Start("ovsdb-server "+name, log, append(line, file, "--remote=punix:"+socket, "--unixctl=none", "--no-chdir"), environment(dir)...)
	if err != nil {
		return nil, err
	}
	return &database{remote: "unix:" + socket, socket: socket, process: p}, p.Await(ctx, func() error {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

func environment(dir string) []string {
	return []string{"OVS_RUNDIR=" + dir, "OVN_RUNDIR=" + dir, "OVS_DBDIR=" + dir, "OVS_LOGDIR=" + dir, "OVN_LOGDIR=" + dir}
}

// tool runs a program of OVN or OVS and returns what it says.
func (w *world) tool(ctx context.Context, name string, arguments ...string) ([]byte, error) {
	line, err := ovsdbtest.Find(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, line[0], append(line[1:], arguments...)...)
	cmd.Env = append(os.Environ(), environment(w.dir)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, errors.Join(err, errors.New(errs.String())))
	}
	return out.Bytes(), nil
}
