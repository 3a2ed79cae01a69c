package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	docker, archive := filepath.Join(dir, "docker.tar"), filepath.Join(dir, "a.tar")
	known := filepath.Join(dir, "base.layers")
	require.NoError(t, os.WriteFile(known, []byte("base\n"), 0o644))
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, f := range [][2]string{{"base.tar", "B"}, {"own.tar", "OO"}, {"conf.json", `{"os":"linux"}`},
		{"manifest.json", `[{"Config":"conf.json","Layers":["base.tar","own.tar"]}]`}} {
		require.NoError(t, writeFile(w, f[0], int64(len(f[1])), strings.NewReader(f[1])))
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(docker, text.Bytes(), 0o644))

	require.NoError(t, convert(docker, archive, "localhost/a:1", known, layerList(archive)))

	layers, err := readLines(layerList(archive))
	require.NoError(t, err)
	require.Equal(t, []string{"base", "own"}, layers)
	files := map[string]string{}
	require.NoError(t, eachFile(archive, func(h *tar.Header, r io.Reader) error {
		text, err := io.ReadAll(r)
		files[h.Name] = string(text)
		return err
	}))
	require.Equal(t, "OO", files["blobs/sha256/own"])
	require.NotContains(t, files, "blobs/sha256/base")
	var index struct{ Manifests []descriptor }
	require.NoError(t, json.Unmarshal([]byte(files["index.json"]), &index))
	require.Equal(t, "localhost/a:1", index.Manifests[0].Annotations["org.opencontainers.image.ref.name"])
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	blob := func(d descriptor) string { return files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")] }
	require.NoError(t, json.Unmarshal([]byte(blob(index.Manifests[0])), &manifest))
	require.JSONEq(t, `{"os":"linux"}`, blob(manifest.Config))
	require.Equal(t, []int64{1, 2}, []int64{manifest.Layers[0].Size, manifest.Layers[1].Size})
}
