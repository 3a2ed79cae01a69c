package row_test

import (
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/go-logr/zapr"
	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

func TestLogsHaveOwnersAsText(t *testing.T) {
	owner := row.ParseOwner("pod/default/web-37")
	core, logs := observer.New(zap.InfoLevel)
	zapr.NewLogger(zap.New(core)).Info("of zap", "owner", owner)
	assert.Equal(t, "pod/default/web-37", logs.All()[0].ContextMap()["owner"])
	line := ""
	funcr.New(func(_, l string) { line = l }, funcr.Options{}).Info("of funcr", "owner", owner)
	assert.Contains(t, line, `"owner"="pod/default/web-37"`)
}

func TestAnOwnersTextIsMadeOnce(t *testing.T) {
	text := "pod/default/web-0"
	var owner row.Owner
	assert.Zero(t, testing.AllocsPerRun(10, func() { owner = row.ParseOwner(text) }), "an owner shares the texts that it is made from")
	assert.Equal(t, 1.0, testing.AllocsPerRun(10, func() { text = owner.String() }))
}
