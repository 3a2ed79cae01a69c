package deps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// packages maps a program that the sandbox runs to the Debian package that has it.
var packages = map[string]string{
	"containerd":  "containerd",
	"runc":        "runc",
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
var daemons = []string{"containerd"}

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
	for _, args := range [][]string{{"update"}, append([]string{"install", "--yes", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-euc", quietly, "apt-get"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := RunLogged(c.Log("packages"), cmd); err != nil {
			return err
		}
	}
	return disableDaemons(ctx, c, missing)
}

// quietly runs apt-get so that no package starts its service: in a mount namespace of its own, where the programs
// that would do so do nothing. An interruption leaves nothing of that behind.
const quietly = `
for starter in /usr/sbin/invoke-rc.d /usr/bin/deb-systemd-invoke; do
	if [ -e "$starter" ]; then mount --bind /bin/true "$starter"; fi
done
exec "$0" "$@"
`

// disableDaemons keeps what was installed just now from starting with the machine's next boot.
func disableDaemons(ctx context.Context, c Cache, installed []string) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return nil
	}
	for _, d := range daemons {
		if slices.Contains(installed, d) {
			if err := RunLogged(c.Log("packages"), exec.CommandContext(ctx, "systemctl", "disable", d)); err != nil {
				return err
			}
		}
	}
	return nil
}
