package figure

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Table writes figures for people: those of one group together, in it those of one name, by size.
func Table(w io.Writer, figures []Figure) error {
	figures = slices.Clone(figures)
	// places maps a group and name to where it first stands.
	places := map[string]int{}
	for i, f := range figures {
		if _, ok := places[f.Group+f.Name]; !ok {
			places[f.Group+f.Name] = i
		}
	}
	slices.SortStableFunc(figures, func(a, b Figure) int { return places[a.Group+a.Name] - places[b.Group+b.Name] })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	group := ""
	for _, f := range figures {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(t, "\n%s\tpods\tvalue\tunit\tspread\trepeats\ttarget\tfloor\t\n", group)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", f.Name, f.size(), short(f.Value()), f.Unit, f.spread(),
			len(f.Samples), f.target(), f.floor(), f.verdict())
	}
	return t.Flush()
}

func (f Figure) size() string {
	if f.Pods == 0 {
		return ""
	}
	return strconv.Itoa(f.Pods)
}

func (f Figure) spread() string {
	least, most := f.Spread()
	if len(f.Samples) < 2 {
		return ""
	}
	return short(least) + " – " + short(most)
}

func (f Figure) target() string {
	switch {
	case f.Target == nil:
		return ""
	case f.AtLeast:
		return ">= " + short(*f.Target)
	default:
		return "<= " + short(*f.Target)
	}
}

func (f Figure) floor() string {
	if f.Floor == nil {
		return ""
	}
	return short(*f.Floor) + " (" + f.FloorIs + ")"
}

func (f Figure) verdict() string {
	if f.Missed() {
		return "MISSED"
	}
	return ""
}

// short writes a number with three digits that count, which is more than measurements on a shared machine are worth.
func short(n float64) string {
	if n == 0 || math.IsNaN(n) || math.Abs(n) >= 1000 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(n)))))
	return strconv.FormatFloat(n, 'f', min(digits, 5), 64)
}
