//go:build root

package podlink

import (
	"testing"

	"github.com/woven-network/woven/go-controller/pkg/agent/netlab"
)

// TestMain keeps all tests in a network namespace.
func TestMain(m *testing.M) { netlab.Main(m) }
