package pod_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/kube"
	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
)

// FuzzAnnotation translates a pod with any text for the annotation that stands for its UID. What the database does not
// take of it, the engine refuses.
func FuzzAnnotation(f *testing.F) {
	f.Add("", "6e4f2a6e-2a55-4a5d-8ee4-0c6ff2a3a111")
	f.Add("8a3cc4b3c9e4f6bb7a0b7b0d0c3f7e11", "6e4f2a6e-2a55-4a5d-8ee4-0c6ff2a3a111")
	f.Add("a\x00b\xff", "")
	f.Fuzz(func(t *testing.T, hash, uid string) {
		p := web()
		p.UID = "1"
		p.Annotations = map[string]string{kube.ConfigHash: hash, "woven.network/unknown": uid}
		rows := translate(t, kube.NewView(p), p.Name, addresses)
		require.Len(t, rows, 1)
		port := rows[0].Model.(*nb.LogicalSwitchPort)
		require.NotEmpty(t, port.Options[nodelink.InterfaceVersion])
		require.Equal(t, "worker-1", port.Options["requested-chassis"], "no annotation moves a port")
	})
}
