package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// procSysNet is the environment variable with another path of /proc/sys/net. A container that is not privileged has
// /proc/sys read-only, so the host's is mounted elsewhere (dist/manifests/node.yaml).
const procSysNet = "PROC_SYS_NET"

// sysctlRoot is where the kernel's network settings are. Wherever it is mounted, a thread finds those of its own
// network namespace there (proc_sys_lookup in fs/proc/proc_sysctl.c).
var sysctlRoot = cmp.Or(os.Getenv(procSysNet), "/proc/sys/net")

// Setting is one kernel setting: a path below /proc/sys/net and its value.
type Setting struct {
	Path  string
	Value int
}

// Apply writes settings that differ. One that the kernel does not have (no IPv6) is skipped.
func Apply(settings []Setting) error {
	for _, s := range settings {
		have, err := ReadSetting(s.Path)
		if errors.Is(err, os.ErrNotExist) || err == nil && have == s.Value {
			continue
		}
		if err := os.WriteFile(filepath.Join(sysctlRoot, s.Path), []byte(strconv.Itoa(s.Value)), 0o644); err != nil {
			return fmt.Errorf("set net/%s to %d: %w", s.Path, s.Value, err)
		}
	}
	return nil
}

// ReadSetting returns a setting's present value; os.ErrNotExist if the kernel does not have it.
func ReadSetting(path string) (int, error) {
	text, err := os.ReadFile(filepath.Join(sysctlRoot, path))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// ReadSettings returns the present values of settings; one that the kernel does not have is left out.
func ReadSettings(paths []string) map[string]int {
	values := map[string]int{}
	for _, p := range paths {
		if v, err := ReadSetting(p); err == nil {
			values[p] = v
		}
	}
	return values
}

// SettingsIn returns what is in a directory of settings, such as the names of interfaces in "ipv4/conf".
func SettingsIn(directory string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(sysctlRoot, directory))
	if err != nil {
		return nil, fmt.Errorf("list the settings net/%s: %w", directory, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
