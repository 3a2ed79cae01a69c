// Command wovenctl prepares the installation of Woven and looks at a running one. Named kubectl-woven on the PATH,
// it also works as `kubectl woven`.
package main

import (
	"fmt"
	"os"

	"github.com/woven-network/woven/go-controller/pkg/ctl"
)

func main() {
	if err := ctl.New().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "wovenctl:", err)
		os.Exit(1)
	}
}
