package attach

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/woven-network/woven/go-controller/pkg/cni"
)

// conflist is the network configuration. containerd 1.6 knows no later version than 1.0.0 in cniVersion; a runtime
// that knows cniVersions (1.1.0) picks the best of them.
const conflist = `{
  "cniVersion": "1.0.0",
  "cniVersions": ["1.0.0", "1.1.0"],
  "name": "woven",
  "plugins": [{"type": "` + cni.PluginType + `"}]
}
`

// ConflistName sorts before other configurations, so that runtimes, which take the first, take ours.
const ConflistName = "10-woven.conflist"

// Announce tells the container runtime that the node's pod network is ready.
func (s *Server) Announce() error {
	path := filepath.Join(s.confDir, ConflistName)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, []byte(conflist)) {
		return nil
	}
	if err := replaceFile(path, []byte(conflist), 0o644); err != nil {
		return fmt.Errorf("network configuration: %w", err)
	}
	return nil
}

// replaceFile writes a file so that whoever reads it sees the old or the new content, never a part.
func replaceFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".woven-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // Nothing is left of that name when all went well.
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// InstallCNI copies the shim to where the container runtime looks for plugins. A shim that is running keeps its
// old file.
func InstallCNI(shim, dir string) error {
	content, err := os.ReadFile(shim)
	if err != nil {
		return fmt.Errorf("the CNI shim: %w; the image should have it", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("directory of CNI plugins: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, cni.PluginType), content, 0o755); err != nil {
		return fmt.Errorf("install the CNI shim: %w", err)
	}
	return nil
}
