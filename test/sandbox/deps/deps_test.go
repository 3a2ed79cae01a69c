package deps

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnsureFillsOnceAndReplacesOtherKeys(t *testing.T) {
	c := Cache(t.TempDir())
	filled := 0
	fill := func(dir string) error {
		filled++
		return os.WriteFile(filepath.Join(dir, "program"), nil, 0o644)
	}
	other, err := c.Ensure("image-a-b", "1", fill)
	require.NoError(t, err)
	first, err := c.Ensure("image-a", "1", fill)
	require.NoError(t, err)
	again, err := c.Ensure("image-a", "1", fill)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 2, filled)

	second, err := c.Ensure("image-a", "2", fill)
	require.NoError(t, err)
	require.NoDirExists(t, first)
	require.FileExists(t, filepath.Join(second, "program"))
	require.DirExists(t, other, "a longer name is another thing")
}

func TestEnsureKeepsNothingOfAFailure(t *testing.T) {
	c := Cache(t.TempDir())
	_, err := c.Ensure("a", "1", func(dir string) error {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "half"), nil, 0o644))
		return errors.New("interrupted")
	})
	require.Error(t, err)
	dir, err := c.Ensure("a", "1", func(dir string) error {
		require.NoFileExists(t, filepath.Join(dir, "half"))
		return nil
	})
	require.NoError(t, err)
	require.DirExists(t, dir)
}

func TestKubernetesVersion(t *testing.T) {
	text, err := os.ReadFile("../../k8s/go.mod")
	require.NoError(t, err)
	version, err := kubernetesVersion(string(text))
	require.NoError(t, err)
	flags, err := versionFlags(version)
	require.NoError(t, err)
	require.Regexp(t, `gitVersion=v1\.\d+\.\d+ .*gitMajor=1 .*gitMinor=\d+$`, flags)
}
