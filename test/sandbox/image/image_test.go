package image

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMirrorIsThatOfTheMachinesOwnRelease(t *testing.T) {
	targets := []byte("nodistro main https://node.example/node\n" +
		"bookworm-updates main http://mirror.example/debian/\nbookworm main http://mirror.example/debian/\n" +
		"bookworm-security main http://mirror.example/debian-security/\n")
	uri, err := parseMirror(targets, "bookworm")
	require.NoError(t, err)
	require.Equal(t, "http://mirror.example/debian/", uri)

	_, err = parseMirror(targets, "trixie")
	require.ErrorContains(t, err, "sources.list")
}

func TestDigestChangesWithEveryInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
	}
	write("Containerfile", "FROM scratch", 0o644)
	write("program", "a", 0o755)
	i := Image{Name: "localhost/a", Containerfile: filepath.Join(dir, "Containerfile"), Context: dir}
	seen := map[string]bool{}
	check := func() {
		t.Helper()
		digest, err := i.digest()
		require.NoError(t, err)
		again, err := i.digest()
		require.NoError(t, err)
		require.Equal(t, digest, again)
		require.False(t, seen[digest])
		seen[digest] = true
	}
	check()
	write("program", "b", 0o755)
	check()
	write("other", "b", 0o755)
	check()
	i.Base = Built{Name: "localhost/base", Tag: "1"}
	check()
	i.Base.Tag = "2"
	check()
	i.ContextKey = "k"
	check()
}

func TestArchiveLeavesOutWhatTheBaseHas(t *testing.T) {
	dir := t.TempDir()
	whole, archive := filepath.Join(dir, "whole.tar"), filepath.Join(dir, "a.tar")
	known := filepath.Join(dir, "base.blobs")
	require.NoError(t, os.WriteFile(known, []byte("blobs/sha256/base\n"), 0o644))
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, name := range []string{"blobs/sha256/base", "blobs/sha256/own", "index.json"} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name)), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(name))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(whole, text.Bytes(), 0o644))

	require.NoError(t, leaveOut(whole, archive, known, blobList(archive)))

	blobs, err := readLines(blobList(archive))
	require.NoError(t, err)
	require.Equal(t, []string{"blobs/sha256/base", "blobs/sha256/own"}, blobs)
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		names = append(names, h.Name)
	}
	require.Equal(t, []string{"blobs/sha256/own", "index.json"}, names)
}
