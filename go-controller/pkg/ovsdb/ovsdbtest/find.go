package ovsdbtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// advice is what a person reads whose machine has no OVN or OVS.
const advice = "%s is not on this machine: run `sudo -E make prepare`, which puts it into the cache, " +
	"or install Debian's packages openvswitch-switch and ovn-central"

// serverEnvironment names the variable with another command line of ovsdb-server.
const serverEnvironment = "WOVEN_OVSDB_SERVER"

// Program is Find for tests. The test fails when the machine has no such program: a test that is skipped proves
// nothing.
func Program(t testing.TB, name string) []string {
	t.Helper()
	line, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// Find returns the command line of a program of OVN or OVS, such as "ovn-northd": of the sandbox's root filesystem
// (the very version that Woven ships, run through its own dynamic loader, which needs no privilege), or of the system.
// The error says how to get it.
func Find(name string) ([]string, error) {
	if line := strings.Fields(os.Getenv(serverEnvironment)); name == "ovsdb-server" && len(line) > 0 {
		return line, nil
	}
	// The newest first: an older one may be of another release.
	roots, _ := filepath.Glob(filepath.Join(cache(), "rootfs*"))
	slices.SortFunc(roots, func(a, b string) int { return modified(b).Compare(modified(a)) })
	for _, root := range roots {
		if line, ok := inRoot(root, name); ok {
			return line, nil
		}
	}
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(path); err == nil {
			return []string{path}, nil
		}
	}
	return nil, fmt.Errorf(advice, name)
}

// cache is where the sandbox keeps what it has downloaded and built.
func cache() string {
	if dir := os.Getenv("WOVEN_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "woven")
}

func inRoot(root, name string) ([]string, bool) {
	programs, _ := filepath.Glob(filepath.Join(root, "usr", "*bin", name))
	// lib64/ld-linux-x86-64.so.2 on amd64, lib/ld-linux-aarch64.so.1 on arm64.
	loaders, _ := filepath.Glob(filepath.Join(root, "lib*", "ld-linux-*.so.*"))
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if len(programs) == 0 || len(loaders) == 0 || len(libraries) == 0 {
		return nil, false
	}
	return []string{loaders[0], "--library-path", strings.Join(libraries, ":"), followIn(root, programs[0])}, true
}

// followIn returns what a path in a root file system leads to. An absolute link means a path of that file system: Debian's
// alternatives are such links (ovs-vswitchd).
func followIn(root, path string) string {
	for range 8 { // more would be a circle
		to, err := os.Readlink(path)
		switch {
		case err != nil:
			return path
		case filepath.IsAbs(to):
			path = filepath.Join(root, to)
		default:
			path = filepath.Join(filepath.Dir(path), to)
		}
	}
	return path
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
