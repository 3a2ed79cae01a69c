package agent

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
)

// procSysNet is the environment variable with another path of /proc/sys/net. A container that is not privileged has
// /proc/sys read-only, so the host's is mounted elsewhere (dist/manifests/node.yaml).
const procSysNet = "PROC_SYS_NET"

// sysctlRoot is where the kernel's network settings are. Wherever it is mounted, a thread finds those of its own
// network namespace there (proc_sys_lookup in fs/proc/proc_sysctl.c).
var sysctlRoot = cmp.Or(os.Getenv(procSysNet), "/proc/sys/net")

// setting is one kernel setting: a path below /proc/sys/net and its value.
type setting struct {
	path  string
	value int
}

// apply writes settings that differ. One that the kernel does not have (no IPv6) is skipped.
func apply(settings []setting) error {
	for _, s := range settings {
		have, err := sysctl(s.path)
		if errors.Is(err, os.ErrNotExist) || err == nil && have == s.value {
			continue
		}
		if err := os.WriteFile(filepath.Join(sysctlRoot, s.path), []byte(strconv.Itoa(s.value)), 0o644); err != nil {
			return fmt.Errorf("set net/%s to %d: %w", s.path, s.value, err)
		}
	}
	return nil
}

func sysctl(path string) (int, error) {
	text, err := os.ReadFile(filepath.Join(sysctlRoot, path))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// globalSettings are those that the agent changes for the node as a whole, and uninstall sets back.
var globalSettings = []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"}

// readSettings returns the present values of settings; one that the kernel does not have is left out.
func readSettings(paths []string) map[string]int {
	values := map[string]int{}
	for _, p := range paths {
		if v, err := sysctl(p); err == nil {
			values[p] = v
		}
	}
	return values
}

// nodeSettings are those of the node as a whole.
func nodeSettings(routerAdvertisements bool) []setting {
	s := []setting{
		// kubeadm and others expect it of a node. The host forwards nothing to or from pods: see noRouter.
		{"ipv4/ip_forward", 1},
		{"ipv6/conf/all/forwarding", 1},
	}
	if routerAdvertisements {
		// A forwarding host ignores router advertisements unless told twice.
		s = append(s, setting{"ipv6/conf/" + nodelink.ExternalBridge + "/accept_ra", 2})
	}
	return s
}

// bridgeSettings are those of br-ex.
func bridgeSettings() []setting {
	return []setting{
		{"ipv6/conf/" + nodelink.ExternalBridge + "/disable_ipv6", 0},
		// Its addresses were the NIC's a moment ago: no second in which they are only tentative.
		{"ipv6/conf/" + nodelink.ExternalBridge + "/accept_dad", 0},
	}
}

// hostSettings are those of ovn0.
func hostSettings() []setting {
	return []setting{
		// A connection of the node to itself through a Service comes back with the node's own address as source.
		{"ipv4/conf/" + nodelink.HostInterface + "/rp_filter", 0},
		{"ipv4/conf/" + nodelink.HostInterface + "/accept_local", 1},
		{"ipv6/conf/" + nodelink.HostInterface + "/disable_ipv6", 0},
		{"ipv6/conf/" + nodelink.HostInterface + "/accept_dad", 0},
		{"ipv6/conf/" + nodelink.HostInterface + "/accept_ra", 0},
	}
}

// podSettings are those of a pod's end. What it says by itself when it comes up reaches every pod of its logical switch, and ovs-vswitchd
// works out for each such packet the way to each of them: five packets for each of 30 pods that start together were a
// third of its work.
func podSettings(name string) []setting {
	return []setting{
		// OVN sends no router advertisements; nobody else on the pod's wire shall be believed.
		{"ipv6/conf/" + name + "/accept_ra", 0},
		// Its link-local address is made of its MAC, which is nobody else's: there are no duplicates to detect (RFC 4862, 5.4), and
		// it can be used at once.
		{"ipv6/conf/" + name + "/accept_dad", 0},
		// The groups it is in are not reported again for those who may have missed it (RFC 3810, 6.1, in milliseconds): on this wire
		// nobody listens to reports, and nothing is lost.
		{"ipv6/conf/" + name + "/mldv2_unsolicited_report_interval", 3600_000},
	}
}

// quietSettings are those of an interface that is only a port of a bridge: the kernel must have no address on it
// and say nothing on it by itself.
func quietSettings(name string) []setting {
	return []setting{{"ipv6/conf/" + name + "/disable_ipv6", 1}}
}

// relaxReversePath lets ovn0's rp_filter=0 have effect. The kernel uses the stricter of "all" and the interface, so
// a strict "all" is written down to every other interface, where it keeps its effect, and lifted from "all".
func relaxReversePath() error {
	all, err := sysctl("ipv4/conf/all/rp_filter")
	if err != nil || all == 0 {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(sysctlRoot, "ipv4/conf"))
	if err != nil {
		return fmt.Errorf("rp_filter: %w", err)
	}
	var settings []setting
	for _, e := range entries {
		path := "ipv4/conf/" + e.Name() + "/rp_filter"
		have, err := sysctl(path)
		if e.Name() != "all" && e.Name() != nodelink.HostInterface && err == nil && have < all {
			settings = append(settings, setting{path, all})
		}
	}
	return apply(append(settings, setting{"ipv4/conf/all/rp_filter", 0}))
}
