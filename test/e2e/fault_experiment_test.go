//go:build e2e

package e2e

import (
	"sort"
	"strings"
	"testing"
	"time"
)

func TestExperiment(t *testing.T) {
	ns := newNamespace(t)
	pods := run(t, ns, netexec("from", workers()[0].name), netexec("to", workers()[1].name))
	f := startFlows(t, pods[0], pods[1])
	lostBefore := show(t)
	made := startBirths(t, ns)
	time.Sleep(20 * time.Second)
	made.end()
	time.Sleep(time.Second)
	lost, dropped := f.stop(t)
	t.Logf("lost %d dropped %d", lost, dropped)
	after := show(t)
	for k, v := range after {
		if lostBefore[k] != v {
			t.Logf("%s: %s -> %s", k, lostBefore[k], v)
		}
	}
	for name, s := range f.pings {
		var seqs []int
		for seq := range s.sent {
			if _, ok := s.answered[seq]; !ok {
				seqs = append(seqs, seq)
			}
		}
		sort.Ints(seqs)
		line := ""
		for i, q := range seqs {
			if i == 0 || seqs[i-1] != q-1 {
				line += "\n" + s.sent[q].Format("15:04:05.000 ")
			}
			line += "."
		}
		t.Logf("%s %s", name, line)
	}
}

func show(t *testing.T) map[string]string {
	m := map[string]string{}
	for _, n := range workers() {
		pod := wovenPod(t, "woven-ovs", n.name)
		for _, l := range strings.Split(execInContainer(t, pod, "vswitchd", "ovs-appctl", "-t", "/run/openvswitch/ovs-vswitchd.ctl", "coverage/show"), "\n") {
			f := strings.Fields(l)
			if len(f) > 2 && (strings.Contains(f[0], "drop") || strings.Contains(f[0], "err") || strings.Contains(f[0], "lost") || strings.Contains(f[0], "rev_") || strings.Contains(f[0], "purge")|| strings.Contains(f[0], "disab")) {
				m[n.name+" "+f[0]] = f[len(f)-1]
			}
		}
		port := ""
		for _, l := range strings.Split(execInContainer(t, pod, "vswitchd", "ovs-appctl", "-t", "/run/openvswitch/ovs-vswitchd.ctl", "dpctl/show", "-s"), "\n") {
			if strings.Contains(l, "port ") {
				port = l
			}
			if strings.Contains(l, "lookups") {
				m[n.name+" lookups"] = l
			}
			if i := strings.Index(l, "dropped:"); i > 0 {
				m[n.name+port+l[:12]] = strings.Fields(l[i:])[0]
			}
		}
		m[n.name+" softnet"] = n.run(t, "sh", "-c", "awk '{print $2}' /proc/net/softnet_stat | xargs")
	}
	return m
}
