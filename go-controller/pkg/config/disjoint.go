package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// disjoint refuses networks of different fields that overlap: a packet to such an address would have two ways.
func disjoint(fields map[string][]netip.Prefix) error {
	var errs []error
	names := slices.Sorted(maps.Keys(fields))
	for i, a := range names {
		for _, b := range names[i+1:] {
			for _, p := range fields[a] {
				for _, q := range fields[b] {
					if p.Overlaps(q) {
						errs = append(errs, fmt.Errorf("%s: %s overlaps %s of %s; choose networks that do not overlap", a, p, q, b))
					}
				}
			}
		}
	}
	return errors.Join(errs...)
}
