// Package images tests the programs of the images that are no Go.
package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
)

// desk is a folder with a Northbound database of three rows, and a shell that finds ovsdb-tool.
type desk struct {
	*testing.T
	file, schema, path string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	d := &desk{T: t, file: filepath.Join(dir, "ovnnb_db.db"), schema: filepath.Join(dir, "schema"), path: filepath.Join(dir, "bin")}
	require.NoError(t, os.Mkdir(d.path, 0o700))
	require.NoError(t, os.WriteFile(d.schema, schema.Northbound, 0o600))
	tool := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", strings.Join(ovsdbtest.Program(t, "ovsdb-tool"), " "))
	require.NoError(t, os.WriteFile(filepath.Join(d.path, "ovsdb-tool"), []byte(tool), 0o700))
	// A copy: go test caches a result for as long as the files that the test itself reads are the same.
	program, err := os.ReadFile("ovn/woven-database")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(d.path, "woven-database"), program, 0o700))
	return d
}

// shell runs a line of shell and returns what it says on standard error.
func (d *desk) shell(line string) (string, error) {
	d.Helper()
	c := exec.CommandContext(d.Context(), "sh", "-ec", line)
	c.Env = append(os.Environ(), "PATH="+d.path+":"+os.Getenv("PATH"))
	var errs bytes.Buffer
	c.Stderr = &errs
	err := c.Run()
	return errs.String(), err
}

// ready runs woven-database.
func (d *desk) ready() (string, error) {
	d.Helper()
	return d.shell(fmt.Sprintf("woven-database '%s' OVN_Northbound '%s'", d.file, d.schema))
}

// fill writes rows "a", "b" and "c", a transaction each.
func (d *desk) fill() {
	d.Helper()
	for _, name := range []string{"a", "b", "c"} {
		_, err := d.shell(fmt.Sprintf(`ovsdb-tool transact '%s' '["OVN_Northbound",{"op":"insert","table":"Address_Set","row":{"name":"row-%s"}}]' >/dev/null`, d.file, name))
		require.NoError(d, err)
	}
}

// rows has a real ovsdb-server open the file and returns the names of its address sets.
func (d *desk) rows() []string {
	d.Helper()
	server, err := ovsdbtest.StartFile(d.T, d.file)
	require.NoError(d, err, "ovsdb-server takes the file")
	defer server.Stop()
	target, err := ovsdb.Northbound(config.OVN{Northbound: server.Remote})
	require.NoError(d, err)
	ctx, cancel := context.WithTimeout(d.Context(), 10*time.Second)
	defer cancel()
	client, err := ovsdb.Dial(ctx, target, logr.Discard()) // It waits for a server that has ended.
	require.NoError(d, err, "ovsdb-server takes the file")
	defer client.Close()
	var sets []nb.AddressSet
	require.NoError(d, client.List(d.Context(), &sets))
	names := []string{}
	for _, s := range sets {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// refused has a real ovsdb-server refuse the file; one that takes it runs until it is stopped.
func (d *desk) refused() {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), 10*time.Second)
	defer cancel()
	line := append(ovsdbtest.Program(d.T, "ovsdb-server"), "--no-chdir", "--unixctl=none", d.file)
	out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput()
	require.Error(d, err)
	require.NoError(d, ctx.Err(), "ovsdb-server takes it; then it need not be set aside: %s", out)
}

func (d *desk) aside() []string {
	d.Helper()
	found, err := filepath.Glob(d.file + ".damaged-*")
	require.NoError(d, err)
	return found
}

// edit changes the file's bytes.
func (d *desk) edit(f func([]byte) []byte) {
	d.Helper()
	content, err := os.ReadFile(d.file)
	require.NoError(d, err)
	require.NoError(d, os.WriteFile(d.file, f(content), 0o600))
}

func TestDatabaseIsMadeOnceAndKept(t *testing.T) {
	d := newDesk(t)
	said, err := d.ready()
	require.NoError(t, err, said)
	assert.Empty(t, d.rows())
	d.fill()
	said, err = d.ready()
	require.NoError(t, err, said)
	assert.Equal(t, []string{"row-a", "row-b", "row-c"}, d.rows())
	assert.Empty(t, d.aside())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(d.file), "*new*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestRefusedFilesAreSetAside damages a database in ways for which ovsdb-server ends at once.
func TestRefusedFilesAreSetAside(t *testing.T) {
	for name, test := range map[string]struct {
		damage func([]byte) []byte
		says   string
	}{
		"empty":               {func([]byte) []byte { return nil }, "cannot identify file type"},
		"zeros":               {func(b []byte) []byte { return make([]byte, len(b)) }, "unexpected file format"},
		"garbage first":       {func(b []byte) []byte { return append([]byte("\x7fELF\x00garbage\n"), b...) }, "unexpected file format"},
		"cut in the header":   {func(b []byte) []byte { return b[:10] }, "unexpected file format"},
		"cut in the schema":   {func(b []byte) []byte { return b[:3000] }, "End of file"},
		"zeros in the schema": {func(b []byte) []byte { copy(b[500:], make([]byte, 20)); return b }, "SHA-1"},
		"another database":    {func([]byte) []byte { return ovsdbtest.Database(schema.Southbound) }, "it has the database OVN_Southbound, not OVN_Northbound"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			_, err := d.ready()
			require.NoError(t, err)
			d.fill()
			d.edit(test.damage)
			damaged, err := os.ReadFile(d.file)
			require.NoError(t, err)
			if name != "another database" {
				d.refused()
			}

			said, err := d.ready()
			require.NoError(t, err, said)
			assert.Contains(t, said, d.file+" is damaged: ")
			assert.Contains(t, said, test.says)
			assert.Empty(t, d.rows())
			aside := d.aside()
			require.Len(t, aside, 1)
			assert.Regexp(t, `\.damaged-\d{8}T\d{6}Z$`, aside[0])
			assert.Contains(t, said, "it is kept as "+aside[0])
			kept, err := os.ReadFile(aside[0])
			require.NoError(t, err)
			assert.Equal(t, damaged, kept)
		})
	}
}

// TestDamageAtTheEndIsTheServers has ovsdb-server drop what follows a damaged record, and keep what precedes it.
func TestDamageAtTheEndIsTheServers(t *testing.T) {
	for name, test := range map[string]struct {
		damage func([]byte) []byte
		left   []string
	}{
		"cut in the last record":       {func(b []byte) []byte { return b[:len(b)-20] }, []string{"row-a", "row-b"}},
		"garbage in the second record": {func(b []byte) []byte { return bytes.Replace(b, []byte("row-b"), []byte("\x00\xff\x00ab"), 1) }, []string{"row-a"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			_, err := d.ready()
			require.NoError(t, err)
			d.fill()
			d.edit(test.damage)
			said, err := d.ready()
			require.NoError(t, err)
			assert.Empty(t, said)
			assert.Empty(t, d.aside())
			assert.Equal(t, test.left, d.rows())
		})
	}
}

// TestConversion gives the database an older schema: one that can be converted keeps its rows, one that cannot is set
// aside.
func TestConversion(t *testing.T) {
	older := bytes.Replace(schema.Northbound, []byte(`"version": "7`), []byte(`"version": "6`), 1)
	require.NotEqual(t, older, schema.Northbound)
	for name, damaged := range map[string]bool{"whole": false, "damaged": true} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			require.NoError(t, os.WriteFile(d.file, ovsdbtest.Database(older), 0o600))
			d.fill()
			if damaged {
				d.edit(func(b []byte) []byte { return bytes.Replace(b, []byte("row-b"), []byte("row-X"), 1) })
			}
			said, err := d.ready()
			require.NoError(t, err, said)
			_, err = os.Stat(d.file + ".before-conversion")
			require.NoError(t, err)
			if damaged {
				assert.Contains(t, said, "is damaged: ")
				assert.Empty(t, d.rows())
				assert.Len(t, d.aside(), 1)
				return
			}
			assert.Equal(t, []string{"row-a", "row-b", "row-c"}, d.rows())
			assert.Empty(t, d.aside())
		})
	}
}

// TestDisksErrorIsNoDamage gives a file that cannot be read: it stays, and the program ends with the reason.
func TestDisksErrorIsNoDamage(t *testing.T) {
	d := newDesk(t)
	require.NoError(t, os.Mkdir(d.file, 0o700)) // Reading it fails by EISDIR, also for root.
	said, err := d.ready()
	require.Error(t, err)
	assert.Contains(t, said, "cannot be read or written: ")
	assert.Empty(t, d.aside())

	require.NoError(t, os.Remove(d.file))
	require.NoError(t, os.WriteFile(d.file, ovsdbtest.Database(schema.Northbound), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(d.path, "ovsdb-tool"), []byte("#!/bin/sh\nexit 137\n"), 0o700))
	_, err = d.ready()
	require.Error(t, err, "a tool that is killed says nothing about the file")
	assert.Empty(t, d.aside())
}

func TestFullDiskLeavesNoFile(t *testing.T) {
	d := newDesk(t)
	full := "#!/bin/sh\n: >\"$2\"\necho 'ovsdb-tool: I/O error: write failed (No space left on device)' >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(d.path, "ovsdb-tool"), []byte(full), 0o700))
	_, err := d.ready()
	require.Error(t, err)
	assert.NoFileExists(t, d.file)
}

func TestThreeDamagedFilesAreKept(t *testing.T) {
	d := newDesk(t)
	for _, at := range []string{"20240101T000000Z", "20240102T000000Z", "20240103T000000Z"} {
		require.NoError(t, os.WriteFile(d.file+".damaged-"+at, nil, 0o600))
	}
	require.NoError(t, os.WriteFile(d.file, nil, 0o600))
	said, err := d.ready()
	require.NoError(t, err, said)
	aside := d.aside()
	require.Len(t, aside, 3)
	assert.Equal(t, d.file+".damaged-20240102T000000Z", aside[0], "the oldest is gone")
}
