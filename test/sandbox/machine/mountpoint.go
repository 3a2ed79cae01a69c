package machine

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// madeFile lists the mount points that had to be made in the root file system, a path a line, parents first.
func madeFile() string { return filepath.Join(StateDir, "mountpoints") }

// makeMountPoint makes a folder and its parents in the root file system. It writes down what it will make before
// it does so; an interruption then leaves a line too many, never a folder too many.
func makeMountPoint(path string) error {
	var missing []string
	for p := path; p != "/"; p = filepath.Dir(p) {
		if _, err := os.Lstat(p); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, p)
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Reverse(missing)
	f, err := os.OpenFile(madeFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(missing, "\n") + "\n"); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o755)
}

// removeMountPoints takes away the folders that makeMountPoint made, unless somebody has put something there.
func removeMountPoints() error {
	f, err := os.Open(madeFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var paths []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		paths = append(paths, lines.Text())
	}
	for _, p := range slices.Backward(paths) {
		_ = os.Remove(p) // refuses a folder that is not empty
	}
	return nil
}
