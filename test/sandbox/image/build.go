package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/woven-network/woven/test/sandbox/deps"
)

// Image is an image to be built from a Containerfile.
type Image struct {
	// Name without a tag, such as "localhost/woven".
	Name string
	// Containerfile is its path; Context the folder that it copies from.
	Containerfile, Context string
	// ContextKey stands for the content of a context that is too large to be read each time; else empty.
	ContextKey string
	// Base is what its argument BASE is set to; the zero Built leaves the argument alone.
	Base Built
}

// Built is an image as an archive file.
type Built struct {
	Name string
	// Tag is a digest of what went into the image, so that a changed image has another name and Kubernetes replaces
	// its pods. The tag "dev" names it too.
	Tag string
	// Archive is an OCI image layout in a tar file. It lacks what is in the archive of the image's base, which is
	// to be imported before.
	Archive string
}

// Ref is the image's name with its own tag.
func (b Built) Ref() string { return b.Name + ":" + b.Tag }

// Dev is the image's name with the tag that manifests name by default.
func (b Built) Dev() string { return b.Name + ":dev" }

// Builder builds images with buildah.
type Builder struct {
	Cache deps.Cache
}

// Build returns the image's archive, built if its inputs changed. Images with a base need it in buildah's storage,
// where it is as long as the storage is kept along with the archives.
func (b Builder) Build(ctx context.Context, i Image) (Built, error) {
	tag, err := i.digest()
	if err != nil {
		return Built{}, fmt.Errorf("image %s: %w", i.Name, err)
	}
	short := filepath.Base(i.Name)
	built := Built{Name: i.Name, Tag: tag}
	dir, err := b.Cache.Ensure("image-"+short, tag, func(dir string) error {
		log := b.Cache.Log("image-" + short)
		args := []string{"build", "--isolation", "chroot", "--network", "host", "--pull=false", "--timestamp", "0",
			"--tag", built.Dev(), "--file", i.Containerfile}
		if i.Base.Name != "" {
			args = append(args, "--build-arg", "BASE="+i.Base.Dev())
		}
		if err := b.buildah(ctx, log, append(args, i.Context)...); err != nil {
			return err
		}
		whole := b.Cache.Path("partial", short+".tar")
		defer func() { _ = os.Remove(whole) }()
		if err := b.buildah(ctx, log, "push", "--disable-compression", built.Dev(), "docker-archive:"+whole+":"+built.Ref()); err != nil {
			return err
		}
		// The image that had the tag before has none now.
		if err := b.buildah(ctx, log, "rmi", "--prune"); err != nil {
			return err
		}
		own := archive(dir, short)
		return convert(whole, own, built.Ref(), layerList(i.Base.Archive), layerList(own))
	})
	built.Archive = archive(dir, short)
	return built, err
}

func archive(dir, short string) string { return filepath.Join(dir, short+".tar") }

// buildah runs buildah on storage in the cache.
func (b Builder) buildah(ctx context.Context, log string, args ...string) error {
	driver := "overlay"
	if onOverlay(string(b.Cache)) {
		driver = "vfs" // an overlay cannot be the upper layer of another
	}
	all := append([]string{"buildah", "--root", b.Cache.Path("storage"), "--runroot", b.Cache.Path("storage-run"), "--storage-driver", driver, "--log-level", "warn"}, args...)
	return deps.RunLogged(log, deps.Contained(ctx, all...))
}

// archiveFormat is changed with what convert writes, so that no archive of an older form is taken from the cache.
const archiveFormat = "oci layout, plain layers"

// digest is taken over the Containerfile, every file of the context and the base.
func (i Image) digest() (string, error) {
	sum := sha256.New()
	text, err := os.ReadFile(i.Containerfile)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(sum, "%s\x00%s\x00%s\x00%s\x00%s\x00", archiveFormat, i.Name, text, i.Base.Tag, i.ContextKey)
	if i.ContextKey != "" {
		return fmt.Sprintf("%x", sum.Sum(nil)[:6]), nil
	}
	err = filepath.WalkDir(i.Context, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s\x00%v\x00", strings.TrimPrefix(path, i.Context), info.Mode())
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(sum, f)
		return err
	})
	return fmt.Sprintf("%x", sum.Sum(nil)[:6]), err
}
