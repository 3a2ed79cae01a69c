package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// CgroupRoot is the cgroup, in every hierarchy, below which everything of the sandbox runs. A machine's own
// processes are in <CgroupRoot>/<machine>/init, a leaf because cgroup v2 wants processes in leaves only; its
// containers are beside it.
var CgroupRoot = "/" + instance

// Cgroup is the parent cgroup of a machine's containers.
func Cgroup(name string) string { return filepath.Join(CgroupRoot, name) }

// hierarchies returns where cgroup file systems are mounted, version 1 and 2 alike.
func hierarchies() ([]string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var mounts []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") {
			mounts = append(mounts, fields[1])
		}
	}
	if len(mounts) == 0 {
		return nil, errors.New("no cgroup file system is mounted; mount one on /sys/fs/cgroup")
	}
	return mounts, nil
}

// joinCgroup moves init into the machine's cgroup of every hierarchy. Its children inherit it.
func joinCgroup(name string, pid int) error {
	mounts, err := hierarchies()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		dir := mount
		for _, part := range []string{CgroupRoot, name, "init"} {
			enableControllers(dir)
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := inheritCPUSet(dir); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
		if err := weigh(filepath.Join(mount, CgroupRoot)); err != nil {
			return fmt.Errorf("weight of the cgroup: %w", err)
		}
	}
	return nil
}

// weigh gives the machines together the weight of as many as they are. By default a cgroup gets as much of a processor as one
// process outside of it, such as the one that measures them.
func weigh(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	machines := 0
	for _, e := range entries {
		if e.IsDir() {
			machines++
		}
	}
	// The defaults of version 1 and 2. The greatest is some hundred times as much.
	for file, one := range map[string]int{"cpu.shares": 1024, "cpu.weight": 100} {
		path := filepath.Join(root, file)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.WriteFile(path, []byte(strconv.Itoa(min(machines, 100)*one)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// enableControllers lets the children of a version 2 cgroup have all its controllers; kubelet wants those of its root
// to be there. What a controller refuses (in a container, say) kubelet will name.
func enableControllers(dir string) {
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return // version 1
	}
	for _, c := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
}

// inheritCPUSet fills a version 1 cpuset from its parent: a new one is empty, and nothing can join it.
func inheritCPUSet(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) || len(bytes.TrimSpace(own)) > 0 {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			continue // version 2 inherits by itself
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), bytes.TrimSpace(parent), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes a cgroup and all below it from every hierarchy; there must be no process left in them.
func removeCgroups(path string) error {
	mounts, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, mount := range mounts {
		var dirs []string
		err := filepath.WalkDir(filepath.Join(mount, path), func(dir string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, dir)
			}
			return nil // what vanishes meanwhile need not be removed
		})
		errs = append(errs, err)
		for _, dir := range slices.Backward(dirs) {
			if err := removeCgroup(dir); err != nil {
				errs = append(errs, fmt.Errorf("cgroup: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeCgroup removes one cgroup. The kernel (6.18) takes a process out of its cgroups a moment after it has told of
// the process's end, and version 1 has no event for that: a cgroup that is busy is tried again for some seconds.
func removeCgroup(dir string) error {
	var err error
	_ = wait.PollUntilContextTimeout(context.Background(), 5*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		err = os.Remove(dir)
		return !errors.Is(err, unix.EBUSY), nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
