package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/woven-network/woven/test/sandbox/deps"
)

// Store returns a folder that is containerd's root with these images imported and unpacked, in the order given. A
// node whose containerd starts on a copy of it has them at once.
func (b Builder) Store(ctx context.Context, images []Built) (string, error) {
	parts := []string{}
	for _, i := range images {
		parts = append(parts, i.Ref())
	}
	return b.Cache.Ensure("containerd", deps.Key(parts...), func(dir string) error {
		work, err := os.MkdirTemp("", "woven-store-") // a short path: it holds a socket
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(work) }()
		config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\n[grpc]\n  address = %q\n",
			dir, filepath.Join(work, "state"), filepath.Join(work, "sock"))
		if err := os.WriteFile(filepath.Join(work, "config.toml"), []byte(config), 0o644); err != nil {
			return err
		}
		args := []string{"sh", "-euc", storeScript, "sh", work}
		for _, i := range images {
			args = append(args, i.Archive, i.Ref(), i.Dev())
		}
		return deps.RunLogged(b.Cache.Log("containerd"), deps.Contained(ctx, args...))
	})
}

// storeScript gets the work folder and three words per image: its archive and two names.
const storeScript = `
work=$1; shift
containerd --config "$work/config.toml" &
ctr="ctr --connect-timeout 30s --address $work/sock --namespace k8s.io"
while [ $# -gt 0 ]; do
	$ctr images import "$1"
	$ctr images tag --force "$2" "$3"
	shift 3
done
kill $!
wait || true
`

// CopyStore fills a node's containerd root from a store. Files are shared by hard links where that is possible: blobs
// and unpacked layers are never written again. The databases are.
func CopyStore(store, root string) error {
	if err := exec.Command("cp", "--archive", "--link", store+"/.", root).Run(); err != nil {
		// The cache is on another file system.
		if out, err := exec.Command("cp", "--archive", "--remove-destination", store+"/.", root).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", store, err, out)
		}
		return nil
	}
	databases, err := filepath.Glob(filepath.Join(store, "*", "*.db"))
	if err != nil {
		return err
	}
	for _, db := range databases {
		own := filepath.Join(root, filepath.Base(filepath.Dir(db)), filepath.Base(db))
		if out, err := exec.Command("cp", "--archive", "--remove-destination", db, own).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", db, err, out)
		}
	}
	return nil
}
