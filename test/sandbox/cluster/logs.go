package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

// networkState are commands whose output tells how a node's network is; those of OVN and Open vSwitch run in the
// node's Woven pods.
var networkState = map[string]string{
	"addresses": "ip -details address", "routes": "ip route show table all; ip -6 route show table all; ip rule; ip -6 rule",
	"neighbours": "ip neigh; ip -6 neigh", "packet-filter": "iptables-save; ip6tables-save; nft list ruleset",
	"sysctl": "sysctl net.ipv4 net.ipv6 2>/dev/null", "mounts": "cat /proc/mounts", "processes": "ps -ef",
	"cni": "tail -n +1 /etc/cni/net.d/*; ls -l /opt/cni/bin /run/netns",
}

// kubeState are kubectl's arguments that show the cluster's state.
var kubeState = map[string]string{
	"nodes": "get nodes -o wide", "pods": "get pods -A -o wide", "events": "get events -A --sort-by=.lastTimestamp",
	"all.yaml": "get all,configmaps,endpointslices,nodes,networkpolicies -A -o yaml", "describe-pods": "describe pods -A", "describe-nodes": "describe nodes",
}

// podCommand is a command to run in every pod of a Woven workload.
type podCommand struct{ workload, container, file, command string }

var podCommands = []podCommand{
	{"woven-ovn-central", "northbound", "nb-show", "ovn-nbctl --db=unix:/run/ovn/ovnnb_db.sock show"},
	{"woven-ovn-central", "northbound", "nb-dump", "ovsdb-client dump unix:/run/ovn/ovnnb_db.sock OVN_Northbound"},
	{"woven-ovn-central", "southbound", "sb-show", "ovn-sbctl --db=unix:/run/ovn/ovnsb_db.sock show"},
	{"woven-ovn-central", "southbound", "sb-dump", "ovsdb-client dump unix:/run/ovn/ovnsb_db.sock OVN_Southbound"},
	{"woven-ovs", "vswitchd", "ovs-show", "ovs-vsctl show; ovs-vsctl list Open_vSwitch; ovs-vsctl list Interface"},
	{"woven-ovs", "vswitchd", "flows-br-int", "ovs-ofctl dump-flows br-int"},
	{"woven-ovs", "vswitchd", "flows-br-ex", "ovs-ofctl dump-flows br-ex"},
	{"woven-ovs", "vswitchd", "datapath", "ovs-appctl dpctl/show -s; ovs-appctl dpctl/dump-flows; ovs-appctl dpctl/dump-conntrack"},
}

// Logs gathers whatever tells what happened into a folder, a new one when dir is empty. What cannot be had is no
// error: logs are wanted above all when something is broken.
func (c *Cluster) Logs(ctx context.Context, dir string) error {
	if dir == "" {
		dir = filepath.Join(c.repo, "out", "logs-"+time.Now().Format("20060102-150405"))
	}
	var err error
	if c.programs.Kubernetes, err = c.kubernetes(); err != nil {
		return err
	}
	for name, args := range kubeState {
		save(filepath.Join(dir, "kubernetes", name), c.kubectl(ctx, strings.Fields(args)...))
	}
	c.podLogs(ctx, filepath.Join(dir, "pods"))
	for _, p := range podCommands {
		for _, pod := range c.pods(ctx, p.workload) {
			save(filepath.Join(dir, "network", p.file+"-"+pod.node),
				c.kubectl(ctx, "exec", "-n", "woven-system", pod.name, "-c", p.container, "--", "sh", "-c", p.command))
		}
	}
	for _, p := range append(c.Machines(), plan.Machine{Name: plan.Fabric}) {
		own := filepath.Join(dir, p.Name)
		if m, ok := machine.Find(p.Name); ok {
			for name, command := range networkState {
				save(filepath.Join(own, name), m.Command("sh", "-c", command))
			}
		}
		if err := os.CopyFS(filepath.Join(own, "log"), os.DirFS(filepath.Dir(machine.Log(p.Name, "init")))); err != nil {
			fmt.Fprintf(c.out, "%s: %v\n", p.Name, err)
		}
	}
	fmt.Fprintln(c.out, dir)
	return nil
}

// save writes a command's output, and the error if it fails, to a file.
func save(path string, cmd *exec.Cmd) {
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = fmt.Appendf(out, "\n%s: %v\n", strings.Join(cmd.Args, " "), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		_ = os.WriteFile(path, out, 0o644)
	}
}

type podOnNode struct{ name, node string }

// pods lists the pods of a Woven workload.
func (c *Cluster) pods(ctx context.Context, workload string) []podOnNode {
	out, err := c.kubectl(ctx, "get", "pods", "-n", "woven-system", "-l", "app.kubernetes.io/name="+workload,
		"-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}`).Output()
	if err != nil {
		return nil
	}
	var pods []podOnNode
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			pods = append(pods, podOnNode{f[0], f[1]})
		}
	}
	return pods
}

// podLogs saves the logs of every container, the one before its last restart included.
func (c *Cluster) podLogs(ctx context.Context, dir string) {
	out, err := c.kubectl(ctx, "get", "pods", "-A", "-o",
		`jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`).Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		path := filepath.Join(dir, f[0], f[1])
		save(path+".log", c.kubectl(ctx, "logs", "-n", f[0], f[1], "--all-containers", "--prefix"))
		previous := c.kubectl(ctx, "logs", "-n", f[0], f[1], "--all-containers", "--prefix", "--previous")
		if out, err := previous.Output(); err == nil {
			_ = os.WriteFile(path+".previous.log", out, 0o644)
		}
	}
}
