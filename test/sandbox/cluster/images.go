package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/woven-network/woven/test/sandbox/image"
	"github.com/woven-network/woven/test/sandbox/kube"
	"github.com/woven-network/woven/test/sandbox/machine"
	"github.com/woven-network/woven/test/sandbox/plan"
)

const containerdRoot = "/var/lib/containerd"

// fillNodes gives new nodes a containerd that has the cluster's images, before it starts.
func (c *Cluster) fillNodes(ctx context.Context) error {
	store, err := image.Builder{Cache: c.cache}.Store(ctx, c.images)
	if err != nil {
		return err
	}
	return c.onNodes(ctx, func(_ context.Context, n plan.Machine, _ machine.Machine) error {
		noted, err := readNote(noteFile(n.Name))
		if err != nil || len(noted) > 0 {
			return err
		}
		root := machine.Bind(n.Name, containerdRoot).Source
		if err := removeContents(root); err != nil { // of an interrupted attempt
			return err
		}
		if err := image.CopyStore(store, root); err != nil {
			return err
		}
		for _, i := range c.images {
			noted[i.Name] = i.Tag
		}
		return noted.write(n.Name)
	})
}

func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// importImages gives every node the images that it lacks.
func (c *Cluster) importImages(ctx context.Context) error {
	return c.onNodes(ctx, func(_ context.Context, n plan.Machine, m machine.Machine) error {
		noted, err := readNote(noteFile(n.Name))
		if err != nil {
			return err
		}
		for _, i := range c.images {
			old, had := noted[i.Name]
			if had && old == i.Tag {
				continue
			}
			if err := importArchive(m, i.Archive); err != nil {
				return err
			}
			if err := ctr(m, "images", "tag", "--force", i.Ref(), i.Dev()); err != nil {
				return err
			}
			if had {
				if err := ctr(m, "images", "rm", i.Name+":"+old); err != nil {
					return err
				}
			}
			noted[i.Name] = i.Tag
			if err := noted.write(n.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// note maps the name of an image that a node has to its tag. It is kept in a file, a line "<name> <tag>" each, since
// asking containerd takes longer.
type note map[string]string

func noteFile(node string) string { return filepath.Join(machine.Dir(node), "images") }

func readNote(file string) (note, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	n := note{}
	for line := range strings.Lines(string(text)) {
		if name, tag, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			n[name] = tag
		}
	}
	return n, nil
}

func (n note) text() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&text, "%s %s\n", name, n[name])
	}
	return text.String()
}

func (n note) write(node string) error {
	return os.WriteFile(noteFile(node), []byte(n.text()), 0o644)
}

// importArchive loads an image archive (docker-archive or OCI) into a node's containerd.
func importArchive(m machine.Machine, archive string) error {
	return ctr(m, "images", "import", archive)
}

func ctr(m machine.Machine, args ...string) error {
	return m.Run(append([]string{"ctr", "--address", kube.ContainerdSocket, "--namespace", "k8s.io"}, args...)...)
}
