package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/woven-network/woven/test/sandbox/deps"
)

// Names of the images in the sandbox.
const (
	OVN     = "localhost/woven-ovn"
	Woven   = "localhost/woven"
	Pause   = "localhost/pause"
	CoreDNS = "localhost/coredns"
	Agnhost = "localhost/agnhost"

	base = "localhost/woven-base"
)

// Programs are the folders of what goes into the images beside Debian.
type Programs struct {
	Repo, Kubernetes, Addons, Woven string
}

// BuildCluster makes the images that a cluster needs without a pod network, in the order of their import.
func (b Builder) BuildCluster(ctx context.Context, rootfs string, p Programs) ([]Built, error) {
	pause, err := deps.Pause(ctx, b.Cache, p.Repo)
	if err != nil {
		return nil, err
	}
	debian, err := b.base(ctx, rootfs)
	if err != nil {
		return nil, err
	}
	all := []Built{debian}
	for _, i := range []struct {
		name, program string
		from          Built
	}{
		{Pause, filepath.Join(pause, "pause"), Built{}},
		{CoreDNS, filepath.Join(p.Addons, "coredns"), Built{}},
		// On Debian, so that tests find a shell, ping and tcpdump in their pods.
		{Agnhost, filepath.Join(p.Kubernetes, "agnhost"), debian},
	} {
		built, err := b.single(ctx, i.name, i.program, i.from)
		if err != nil {
			return nil, err
		}
		all = append(all, built)
	}
	return all, nil
}

// BuildWoven makes the images that dist/manifests name, from the Containerfiles of dist/images.
func (b Builder) BuildWoven(ctx context.Context, rootfs string, p Programs) ([]Built, error) {
	debian, err := b.base(ctx, rootfs)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(p.Repo, "dist", "images")
	ovn, err := b.Build(ctx, Image{Name: OVN, Base: debian,
		Containerfile: filepath.Join(dir, "ovn", "Containerfile"), Context: filepath.Join(dir, "ovn")})
	if err != nil {
		return nil, err
	}
	woven, err := b.Build(ctx, Image{Name: Woven, Base: ovn,
		Containerfile: filepath.Join(dir, "woven", "Containerfile"), Context: p.Woven})
	return []Built{ovn, woven}, err
}

// base is the image of the bare root file system.
func (b Builder) base(ctx context.Context, rootfs string) (Built, error) {
	file, err := b.containerfile("base", "FROM scratch\nCOPY . /\nCMD [\"bash\"]\n")
	if err != nil {
		return Built{}, err
	}
	return b.Build(ctx, Image{Name: base, Containerfile: file, Context: rootfs, ContextKey: filepath.Base(rootfs)})
}

// single is an image that holds one program, alone or on a base.
func (b Builder) single(ctx context.Context, name, program string, from Built) (Built, error) {
	short := filepath.Base(program)
	text := fmt.Sprintf("ARG BASE=scratch\nFROM ${BASE}\nCOPY %s /%[1]s\nENTRYPOINT [\"/%[1]s\"]\n", short)
	file, err := b.containerfile(short, text)
	if err != nil {
		return Built{}, err
	}
	// The program's folder holds others too; a context is one folder, so it is linked into one of its own.
	dir := b.Cache.Path("context", short)
	if err := os.RemoveAll(dir); err != nil {
		return Built{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Built{}, err
	}
	if err := os.Link(program, filepath.Join(dir, short)); err != nil {
		return Built{}, err
	}
	return b.Build(ctx, Image{Name: name, Containerfile: file, Context: dir, Base: from})
}

func (b Builder) containerfile(name, text string) (string, error) {
	path := b.Cache.Path("context", "Containerfile."+name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o644)
}
