package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// layerList is the file beside an archive that lists the layers of the whole image, a digest a line; empty for no
// archive.
func layerList(archive string) string {
	if archive == "" {
		return ""
	}
	return strings.TrimSuffix(archive, ".tar") + ".layers"
}

// convert turns a docker-archive into an OCI image layout without the layers that the list known names, and writes
// the list of all layers. Buildah can write such a layout itself, but whole and with every layer compressed, which takes
// three times as long here and makes each node read Debian's files once per image.
func convert(docker, archive, ref, known, all string) error {
	has, err := readLines(known)
	if err != nil {
		return err
	}
	image, err := readDocker(docker)
	if err != nil {
		return fmt.Errorf("%s: %w", docker, err)
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	if err := image.writeLayout(w, ref); err != nil {
		return err
	}
	if err := image.copyLayers(w, docker, has); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(all, []byte(strings.Join(append(image.digests(), ""), "\n")), 0o644); err != nil {
		return err
	}
	return out.Close()
}

// dockerImage is the one image of a docker-archive. A layer's file is called <SHA-256 of the file>.tar.
type dockerImage struct {
	config []byte
	layers []string
	// sizes maps a file of the archive to its size in bytes.
	sizes map[string]int64
}

func readDocker(path string) (dockerImage, error) {
	image := dockerImage{sizes: map[string]int64{}}
	texts := map[string][]byte{}
	err := eachFile(path, func(h *tar.Header, r io.Reader) error {
		image.sizes[h.Name] = h.Size
		if !strings.HasSuffix(h.Name, ".json") {
			return nil
		}
		text, err := io.ReadAll(r)
		texts[h.Name] = text
		return err
	})
	if err != nil {
		return image, err
	}
	var manifests []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(texts["manifest.json"], &manifests); err != nil {
		return image, fmt.Errorf("manifest.json: %w", err)
	}
	if len(manifests) != 1 || texts[manifests[0].Config] == nil {
		return image, errors.New("manifest.json: wants one image with its configuration")
	}
	image.config, image.layers = texts[manifests[0].Config], manifests[0].Layers
	return image, nil
}

func (i dockerImage) digests() []string {
	var all []string
	for _, layer := range i.layers {
		all = append(all, strings.TrimSuffix(layer, ".tar"))
	}
	return all
}

// descriptor is a reference to a blob: OCI Image Format Specification, "Content Descriptors".
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// writeLayout writes everything but the layers.
func (i dockerImage) writeLayout(w *tar.Writer, ref string) error {
	config, err := writeBlob(w, "application/vnd.oci.image.config.v1+json", i.config)
	if err != nil {
		return err
	}
	var layers []descriptor
	for n, digest := range i.digests() {
		layers = append(layers, descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: "sha256:" + digest, Size: i.sizes[i.layers[n]]})
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers})
	if err != nil {
		return err
	}
	manifest, err := writeBlob(w, manifestType, text)
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": ref}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})
	if err != nil {
		return err
	}
	if err := writeFile(w, "index.json", int64(len(index)), bytes.NewReader(index)); err != nil {
		return err
	}
	const layout = `{"imageLayoutVersion":"1.0.0"}`
	return writeFile(w, "oci-layout", int64(len(layout)), strings.NewReader(layout))
}

func (i dockerImage) copyLayers(w *tar.Writer, docker string, without []string) error {
	return eachFile(docker, func(h *tar.Header, r io.Reader) error {
		digest := strings.TrimSuffix(h.Name, ".tar")
		if !slices.Contains(i.layers, h.Name) || slices.Contains(without, digest) {
			return nil
		}
		return writeFile(w, "blobs/sha256/"+digest, h.Size, r)
	})
}

func writeBlob(w *tar.Writer, mediaType string, text []byte) (descriptor, error) {
	digest := fmt.Sprintf("%x", sha256.Sum256(text))
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: int64(len(text))}
	return d, writeFile(w, "blobs/sha256/"+digest, d.Size, bytes.NewReader(text))
}

func writeFile(w *tar.Writer, name string, size int64, r io.Reader) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(w, r)
	return err
}

// eachFile calls f for every regular file of a tar file.
func eachFile(path string, f func(*tar.Header, io.Reader) error) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := f(h, r); err != nil {
			return err
		}
	}
}

func readLines(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}
