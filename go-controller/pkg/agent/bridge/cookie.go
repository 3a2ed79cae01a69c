package bridge

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/digitalocean/go-openvswitch/ovs"
)

// A cookie tells what a flow is, because the text that Open vSwitch gives back is not the text that it was given: it
// normalizes matches. The upper 16 bits, "Wo", mark Woven's flows among those of others. The lower ones are the hash of the
// flow's text: two of 1,000 flows have the same by a chance of 1 in 500 million.
const (
	mark     uint64 = 0x576f << 48
	markMask uint64 = 0xffff << 48
)

// sign sorts flows, gives each its cookie and leaves out repetitions.
func sign(flows []*ovs.Flow) ([]*ovs.Flow, error) {
	texts := make(map[*ovs.Flow]string, len(flows))
	for _, f := range flows {
		f.Cookie = 0
		text, err := f.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("write the flow %+v as text: %w", *f, err)
		}
		texts[f] = string(text)
	}
	for f, text := range texts {
		h := fnv.New64a()
		fmt.Fprint(h, text)
		f.Cookie = mark | h.Sum64()&^markMask
	}
	slices.SortFunc(flows, func(a, b *ovs.Flow) int {
		if a.Table != b.Table {
			return a.Table - b.Table
		}
		if a.Priority != b.Priority {
			return b.Priority - a.Priority
		}
		return strings.Compare(texts[a], texts[b])
	})
	return slices.CompactFunc(flows, func(a, b *ovs.Flow) bool { return texts[a] == texts[b] }), nil
}

// Cookies returns the cookies of flows: two lists of Facts.Flows with the same cookies are the same flows.
func Cookies(flows []*ovs.Flow) []uint64 {
	cookies := make([]uint64, len(flows))
	for i, f := range flows {
		cookies[i] = f.Cookie
	}
	return cookies
}
