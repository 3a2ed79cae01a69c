package kube

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "fd00::1": "fd00::1", "fe80::1": "fe80::1",
		"": "", "None": "", "fe80::1%eth0": "", "0.0.0.0": "", "::": "", "::ffff:0.0.0.0": "", "127.0.0.1": "", "::1": "", "::ffff:127.0.0.1": "",
		"224.0.0.1": "", "ff02::1": "", "010.0.0.1": "", "10.0.0.1/24": "", "10.0.0.1\x00": "",
	} {
		got, ok := Address(text)
		assert.Equal(t, want != "", ok, text)
		if ok {
			assert.Equal(t, netip.MustParseAddr(want), got, text)
		}
	}
}
