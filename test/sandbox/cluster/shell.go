package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/woven-network/woven/test/sandbox/machine"
)

// CommandError is the failure of a command that Shell ran; the command has said why.
type CommandError struct{ Code int }

func (e CommandError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// Shell runs a command line, or an interactive shell when it is empty, inside a machine. When the command itself
// fails the error is a CommandError.
func (c *Cluster) Shell(ctx context.Context, name, commandLine string) error {
	m, ok := machine.Find(name)
	if !ok {
		return fmt.Errorf("there is no machine %q; choose one of %s", name, strings.Join(c.machineNames(), ", "))
	}
	argv := []string{"bash", "-c", commandLine}
	if commandLine == "" {
		argv = []string{"bash", "--norc"}
	}
	inside := m.Command(argv...)
	cmd := exec.CommandContext(ctx, inside.Path, inside.Args[1:]...)
	cmd.Env = append(os.Environ(), `PS1=`+name+`:\w# `)
	if programs, err := c.kubernetes(); err == nil {
		cmd.Env = append(cmd.Env, "PATH="+programs+":"+os.Getenv("PATH"), "KUBECONFIG="+insideKubeconfig)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return CommandError{exit.ExitCode()}
	}
	return err
}

func (c *Cluster) machineNames() []string {
	names := []string{}
	for _, m := range c.Machines() {
		names = append(names, m.Name)
	}
	return append(names, "fabric")
}

// Env returns shell commands that set KUBECONFIG and put the right kubectl first.
func (c *Cluster) Env() (string, error) {
	programs, err := c.kubernetes()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", KubeconfigFile, programs), nil
}
