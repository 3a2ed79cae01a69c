package ovsdbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// advice is what a person reads whose machine has no ovsdb-server.
const advice = "no ovsdb-server found: run `make test-unit`, which installs one, or install Debian's package openvswitch-switch, " +
	"or set WOVEN_OVSDB_SERVER to its command line"

// command returns the command line of ovsdb-server: of the environment, of the sandbox's root filesystem (the very
// version that Woven ships, run through its own dynamic loader, which needs no privilege), or of the system.
func command() ([]string, bool) {
	if line := strings.Fields(os.Getenv("WOVEN_OVSDB_SERVER")); len(line) > 0 {
		return line, true
	}
	if line, ok := rootfs(filepath.Join(cache(), "rootfs")); ok {
		return line, true
	}
	for _, name := range []string{"ovsdb-server", "/usr/sbin/ovsdb-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, true
		}
	}
	return nil, false
}

// cache is where the sandbox keeps what it has downloaded and built.
func cache() string {
	if dir := os.Getenv("WOVEN_CACHE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "woven")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".cache", "woven")
}

func rootfs(dir string) ([]string, bool) {
	server := filepath.Join(dir, "usr/sbin/ovsdb-server")
	if _, err := os.Stat(server); err != nil {
		return nil, false
	}
	// lib64/ld-linux-x86-64.so.2 on amd64, lib/ld-linux-aarch64.so.1 on arm64.
	loaders, _ := filepath.Glob(filepath.Join(dir, "lib*", "ld-linux-*.so.*"))
	libraries, _ := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-gnu"))
	if len(loaders) == 0 || len(libraries) == 0 {
		return nil, false
	}
	return []string{loaders[0], "--library-path", strings.Join(libraries, ":"), server}, true
}
