package topology

import (
	"fmt"
	"maps"
	"slices"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Control plane protection: how many packets of each kind a node's flows hand to ovn-controller in a second (ovn-nb(5),
// Copp). A meter belongs to a node, not to a pod: OVN has none for each port. So each kind of datapath has its own
// ones, and each kind of packet, and what a pod floods costs only the others' packets of that same kind there.
//
// All numbers are packets in a second, and as many at once. A packet costs ovn-controller 45 us of a core (measured,
// OVN 25.03), so all meters of a node at their ends are 7 % of one. Without them a pod had it take 4,400 in a second,
// and the rest were lost in Open vSwitch's queues, together with those of others.
var protection = map[string]map[string]int{
	// A node's switch: the refusal of a connection to a Service without endpoints.
	"woven-switch": {"reject": 200, "svc-monitor": 50},
	// Between the pods. All pods and nodes are known here without asking, so what has to be resolved does not exist.
	"woven-cluster": router(50),
	// To the outside, where neighbours are really asked for: each once in five minutes (mac_binding_age_threshold).
	"woven-gateway": router(100),
}

// router are the kinds of packets that a router hands over.
func router(rate int) map[string]int {
	return map[string]int{
		// Learned from others' questions and answers, and asked for.
		"arp": rate, "nd-na": rate, "nd-ns": rate, "arp-resolve": rate, "nd-ns-resolve": rate,
		// Answers to packets that come to their end here: TTL exceeded, unreachable, closed port of the router itself.
		"icmp4-error": rate, "icmp6-error": rate, "tcp-reset": rate, "reject": rate,
	}
}

// protectionRows returns the Copp rows with their meters.
func protectionRows() []row.Row {
	var rows []row.Row
	for copp, rates := range protection {
		meters := map[string]string{}
		for _, kind := range slices.Sorted(maps.Keys(rates)) {
			meter := fmt.Sprintf("%s-%s", copp, kind)
			meters[kind] = meter
			band := row.ID{Table: nb.MeterBandTable, Name: meter}
			rows = append(rows,
				row.Row{
					ID:    row.ID{Table: nb.MeterTable, Name: meter},
					Model: &nb.Meter{Name: meter, Unit: nb.MeterUnitPktps, Bands: []string{row.Ref(band.Table, band.Name)}},
				},
				row.Row{
					ID:    band,
					Model: &nb.MeterBand{Action: nb.MeterBandActionDrop, Rate: rates[kind], BurstSize: rates[kind]},
				})
		}
		rows = append(rows, row.Row{ID: row.ID{Table: nb.CoppTable, Name: copp}, Model: &nb.Copp{Name: copp, Meters: meters}})
	}
	return rows
}

// protected returns the reference to a Copp row.
func protected(copp string) *string {
	ref := row.Ref(nb.CoppTable, copp)
	return &ref
}
