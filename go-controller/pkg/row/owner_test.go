package row_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

func TestOwnerAsText(t *testing.T) {
	for text, owner := range map[string]row.Owner{
		"cluster":           row.Cluster,
		"node/worker-1":     {Kind: "node", Name: "worker-1"},
		"pod/default/web-0": {Kind: "pod", Namespace: "default", Name: "web-0"},
	} {
		assert.Equal(t, text, owner.String())
		assert.Equal(t, owner, row.ParseOwner(text))
	}
	for text, owner := range map[string]row.Owner{
		"":         {},
		"/":        {},
		"pod/":     {Kind: "pod"},
		"pod/ns/":  {Kind: "pod", Namespace: "ns"},
		"pod//web": {Kind: "pod", Name: "web"},
		"a/b/c/d":  {Kind: "a", Namespace: "b", Name: "c/d"},
	} {
		assert.Equal(t, owner, row.ParseOwner(text), "a mark changed by hand: %q", text)
	}
}

func TestAnOwnersTextIsMadeOnce(t *testing.T) {
	text := "pod/default/web-0"
	var owner row.Owner
	assert.Zero(t, testing.AllocsPerRun(10, func() { owner = row.ParseOwner(text) }), "an owner shares the texts that it is made from")
	assert.Equal(t, 1.0, testing.AllocsPerRun(10, func() { text = owner.String() }))
}
