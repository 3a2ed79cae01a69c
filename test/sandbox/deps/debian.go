package deps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// packages maps a program that the sandbox runs to the Debian package that has it.
var packages = map[string]string{
	"containerd":  "containerd",
	"runc":        "runc",
	"etcd":        "etcd-server",
	"buildah":     "buildah",
	"debootstrap": "debootstrap",
	"ethtool":     "ethtool",
	"ip":          "iproute2",
	"sysctl":      "procps",
	"nsenter":     "util-linux",
	"gzip":        "gzip",
	"jq":          "jq",
	// Only for showing that there is not one rule in them.
	"nft":           "nftables",
	"iptables-save": "iptables",
}

// daemons are packages whose installation would start a service outside of the sandbox.
var daemons = []string{"containerd", "etcd"}

// Packages installs the Debian packages that the machine lacks.
func Packages(ctx context.Context, c Cache) error {
	var missing []string
	for program, pkg := range packages {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s and is no Debian: install them", strings.Join(missing, ", "))
	}
	restore, err := forbidServiceStart()
	if err != nil {
		return err
	}
	defer restore()
	for _, args := range [][]string{{"update"}, append([]string{"install", "--yes", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := RunLogged(c.Log("packages"), cmd); err != nil {
			return err
		}
	}
	return disableDaemons(ctx, c, missing)
}

// policyFile is asked by Debian's packages before they start a service; exit status 101 means no.
const policyFile = "/usr/sbin/policy-rc.d"

func forbidServiceStart() (restore func(), err error) {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() {}, nil // the machine has a policy of its own
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, err = f.WriteString("#!/bin/sh\nexit 101\n")
	return func() { _ = os.Remove(policyFile) }, err
}

// disableDaemons keeps what was installed just now from starting with the machine's next boot.
func disableDaemons(ctx context.Context, c Cache, installed []string) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return nil
	}
	for _, d := range daemons {
		for _, pkg := range installed {
			if pkg == d || pkg == d+"-server" {
				if err := RunLogged(c.Log("packages"), exec.CommandContext(ctx, "systemctl", "disable", d)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
