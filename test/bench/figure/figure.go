// Package figure holds what was measured and shows it: as a table for people, as JSON for machines, as a chart.
package figure

import (
	"math"
	"slices"
)

// Figure is one thing that was measured, perhaps several times.
type Figure struct {
	// Name says what was measured, such as "restart to synced"; the same at every size.
	Name string `json:"name"`
	// Group is the heading under which it stands.
	Group string `json:"group"`
	// Pods is the size of the cluster, 0 where that does not matter.
	Pods int `json:"pods,omitempty"`
	// Unit of all the numbers, such as "ms".
	Unit string `json:"unit"`
	// Samples are the repeats, in the order in which they were made.
	Samples []float64 `json:"samples"`
	// Target is what the project wants to be below (or above, if AtLeast); nil where there is none.
	Target *float64 `json:"target,omitempty"`
	// AtLeast says that more is better.
	AtLeast bool `json:"atLeast,omitempty"`
	// Floor is what the same costs without Woven, nil where that means nothing.
	Floor *float64 `json:"floor,omitempty"`
	// FloorIs says what the floor is.
	FloorIs string `json:"floorIs,omitempty"`
	// Percentile is what of the samples counts, 50 unless it is a figure such as P99.
	Percentile float64 `json:"percentile,omitempty"`
}

// Value is what counts: the median, or the percentile of a figure that names one.
func (f Figure) Value() float64 {
	if f.Percentile == 0 {
		return f.percentile(50)
	}
	return f.percentile(f.Percentile)
}

// Spread returns the smallest and the largest sample.
func (f Figure) Spread() (least, most float64) {
	if len(f.Samples) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(f.Samples), slices.Max(f.Samples)
}

// Missed says whether there is a target and the value misses it.
func (f Figure) Missed() bool {
	switch {
	case f.Target == nil:
		return false
	case f.AtLeast:
		return f.Value() < *f.Target
	default:
		return f.Value() > *f.Target
	}
}

// percentile returns the sample below which p percent lie, between two of them where none lies there exactly.
func (f Figure) percentile(p float64) float64 {
	if len(f.Samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(f.Samples))
	at := p / 100 * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Number is for Target and Floor.
func Number(n float64) *float64 { return &n }
