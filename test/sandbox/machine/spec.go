package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Spec says what a machine looks like from inside before its first service starts.
type Spec struct {
	Name string `json:"name"`
	// Mounts are made in this order over the root namespace's file system.
	Mounts []Mount `json:"mounts"`
	// Files maps a path inside to the file's content; written after the mounts.
	Files map[string]string `json:"files"`
	// Forwards are ports of the root namespace that lead into the machine.
	Forwards []Forward `json:"forwards"`
}

// Forward is a TCP port of the root namespace's loopback interface that leads to an address which the machine
// can reach. Tools outside the machines speak to the API server through one.
type Forward struct {
	// Listen is an address of the root namespace, such as "127.0.0.1:16443".
	Listen string `json:"listen"`
	// To is dialled in the machine's network namespace.
	To string `json:"to"`
}

// Mount is one mount(2).
type Mount struct {
	Source string  `json:"source"`
	Target string  `json:"target"`
	Type   string  `json:"type,omitempty"`
	Flags  uintptr `json:"flags,omitempty"`
	Data   string  `json:"data,omitempty"`
}

// Bind shows the machine's own folder in place of a path. Parent folders that the root namespace lacks are made
// there too, since a mount needs a place; Remove takes them away again.
func Bind(name, path string) Mount {
	return Mount{Source: filepath.Join(Dir(name), "bind", path), Target: path, Flags: unix.MS_BIND}
}

// Overlay shows a folder of the root namespace with the machine's own changes.
func Overlay(name, path string) Mount {
	dir := filepath.Join(Dir(name), "overlay", path)
	return Mount{Source: "overlay", Target: path, Type: "overlay",
		Data: fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", path, dir, dir)}
}

// Tmpfs shows an empty folder that a restart of the machine empties again, as a reboot does.
func Tmpfs(path string) Mount {
	return Mount{Source: "tmpfs", Target: path, Type: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Data: "mode=755"}
}

// prepare makes the folders that the mounts need, in the root namespace.
func (s Spec) prepare() error {
	dirs := []string{RunDir, filepath.Dir(Log(s.Name, "init"))}
	for _, m := range s.Mounts {
		switch {
		case m.Type == "overlay":
			dir := filepath.Join(Dir(s.Name), "overlay", m.Target)
			dirs = append(dirs, dir+"/upper", dir+"/work")
		case m.Flags&unix.MS_BIND != 0:
			dirs = append(dirs, m.Source)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, m := range s.Mounts {
		if err := makeMountPoint(m.Target); err != nil {
			return err
		}
	}
	return nil
}
