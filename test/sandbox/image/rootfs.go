// Package image makes container images without a registry: a Debian root file system by debootstrap, Containerfiles
// by buildah, and archives that every node's containerd imports.
package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/woven-network/woven/test/sandbox/deps"
)

// suite is the Debian release in the images: the first with an OVN that Woven supports.
const suite = "trixie"

// rootfsPackages are those that dist/images/ovn/Containerfile asks for. Having them in the base spares buildah a
// network.
var rootfsPackages = []string{"ovn-central", "ovn-host", "openvswitch-switch", "iproute2", "ethtool", "tcpdump", "procps", "iputils-ping"}

// superfluous is removed from the root file system: every node unpacks it, and nobody reads it in a container.
var superfluous = []string{"var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"}

// Rootfs returns the folder of a Debian root file system, made by debootstrap the first time.
func Rootfs(ctx context.Context, c deps.Cache) (string, error) {
	include := strings.Join(rootfsPackages, ",")
	return c.Ensure("rootfs-"+suite, deps.Key(suite, include, strings.Join(superfluous, ",")), func(dir string) error {
		mirror, err := mirror(ctx)
		if err != nil {
			return err
		}
		cmd := deps.Contained(ctx, "debootstrap", "--variant=minbase", "--include="+include, suite, dir, mirror)
		if err := deps.RunLogged(c.Log("rootfs"), cmd); err != nil {
			return err
		}
		for _, path := range superfluous {
			if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
				return err
			}
		}
		return nil
	})
}

// mirror is the Debian mirror that the machine's own apt is configured with.
func mirror(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("which Debian mirror does apt use? %w", err)
	}
	codename, err := codename()
	if err != nil {
		return "", err
	}
	return parseMirror(out, codename)
}

// parseMirror finds the repository of the machine's own release in lines of "<release> <component> <URI>".
func parseMirror(targets []byte, codename string) (string, error) {
	for line := range strings.Lines(string(targets)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == codename && f[1] == "main" {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("apt has no repository of Debian %s; add one to /etc/apt/sources.list", codename)
}

func codename() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(text) {
		if name, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("VERSION_CODENAME=")); ok {
			return strings.Trim(string(name), `"`), nil
		}
	}
	return "", errors.New("/etc/os-release has no VERSION_CODENAME; the sandbox wants a Debian")
}
