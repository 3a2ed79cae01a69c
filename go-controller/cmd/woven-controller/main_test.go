package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// execute runs the command as a shell would; nothing of a cluster or a database is there.
func execute(t *testing.T, configuration string, arguments ...string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(configuration), 0o600))
	cmd := command()
	cmd.SetArgs(append([]string{"--config=" + file}, arguments...))
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetErr(&bytes.Buffer{})
	return cmd.ExecuteContext(t.Context())
}

const valid = "clusterCIDRs: [10.244.0.0/16]\nserviceCIDRs: [10.96.0.0/16]\novn: {northbound: 'unix:/nowhere/n', southbound: 'unix:/nowhere/s'}\n"

func TestWrongConfigurationEndsTheProgramAtOnce(t *testing.T) {
	err := execute(t, "clusterCIDRs: [ten]\nmtu: 7\nlogLevel: loud\novn: {northbound: here}\n")
	require.Error(t, err)
	for _, says := range []string{"clusterCIDRs:", "serviceCIDRs:", "mtu: 7", `logLevel: "loud" is not known; write one of debug, info, warn, error`, "ovn.northbound:", "ovn.southbound:"} {
		assert.ErrorContains(t, err, says)
	}
	assert.ErrorContains(t, execute(t, "clusterCIDRs: {"), "not a configuration")
	assert.ErrorContains(t, execute(t, valid, "--config=/nowhere"), "mount the ConfigMap woven-config or name a file with --config")
}

func TestNoWayToTheAPIServerEndsTheProgramAtOnce(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	assert.ErrorContains(t, execute(t, valid), "kube-apiserver: ")
	assert.ErrorContains(t, execute(t, valid, "--kubeconfig=/nowhere"), "kube-apiserver: ")
	assert.ErrorContains(t, execute(t, valid, "one"), "unknown command")
	assert.ErrorContains(t, execute(t, valid, "--colour=red"), "unknown flag: --colour")
}
