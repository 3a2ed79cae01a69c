package figure

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// Measures of the chart, in pixels.
const (
	width, height   = 1000, 620
	left, right     = 70, 420
	top, bottom     = 50, 60
	plotX, plotY    = width - left - right, height - top - bottom
	labelLineHeight = 16
)

// colours are told apart by most people (Okabe and Ito), and repeat with another dash.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// line is one figure at several sizes.
type line struct {
	name, unit string
	// points map the number of pods to the value.
	points []point
}

type point struct{ pods, value float64 }

// Chart writes an SVG picture of how figures grow with the number of pods: each as a multiple of what it is at its
// smallest size, so that all fit one chart. A figure that does not grow is a level line; what grows as the cluster does is
// the diagonal.
func Chart(w io.Writer, figures []Figure) error {
	lines := grown(figures)
	if len(lines) == 0 {
		return nil
	}
	c := scale(lines)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="%d" y="24" font-size="15">Growth with the number of pods, as a multiple of the value at %g pods</text>`+"\n",
		width, height, left, c.minX)
	c.axes(&b)
	c.lines(&b, lines)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// grown returns the figures that were measured at more than one size.
func grown(figures []Figure) []line {
	var lines []line
	for _, f := range figures {
		if f.Pods == 0 || !(f.Value() > 0) {
			continue
		}
		i := slices.IndexFunc(lines, func(l line) bool { return l.name == f.Name })
		if i < 0 {
			lines = append(lines, line{name: f.Name, unit: f.Unit})
			i = len(lines) - 1
		}
		lines[i].points = append(lines[i].points, point{pods: float64(f.Pods), value: f.Value()})
	}
	return slices.DeleteFunc(lines, func(l line) bool { return len(l.points) < 2 })
}

// canvas turns pods and multiples into pixels; both axes are logarithmic.
type canvas struct{ minX, maxX, minY, maxY float64 }

func scale(lines []line) canvas {
	c := canvas{minX: math.Inf(1), minY: 1, maxY: 10}
	for _, l := range lines {
		for _, p := range l.points {
			multiple := p.value / l.points[0].value
			c.minX, c.maxX = min(c.minX, p.pods), max(c.maxX, p.pods)
			c.minY, c.maxY = min(c.minY, multiple), max(c.maxY, multiple)
		}
	}
	c.minY, c.maxY = c.minY/1.2, max(c.maxY, c.maxX/c.minX)*1.2
	return c
}

func (c canvas) x(pods float64) float64 {
	return left + plotX*math.Log(pods/c.minX)/math.Log(c.maxX/c.minX)
}

func (c canvas) y(multiple float64) float64 {
	return top + plotY*(1-math.Log(multiple/c.minY)/math.Log(c.maxY/c.minY))
}

func (c canvas) axes(b *strings.Builder) {
	for decade := math.Pow(10, math.Floor(math.Log10(min(c.minX, c.minY)))); decade <= max(c.maxX, c.maxY); decade *= 10 {
		for _, step := range []float64{1, 2, 5} {
			n := decade * step
			if n >= c.minY && n <= c.maxY {
				fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g×</text>`+"\n", left, c.y(n), plotX, left-8, c.y(n)+4, n)
			}
			if n >= c.minX && n <= c.maxX {
				fmt.Fprintf(b, `<path d="M%.1f %dv%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", c.x(n), top, plotY, c.x(n), top+plotY+18, n)
			}
		}
	}
	fmt.Fprintf(b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="#bbb" stroke-dasharray="2 4"/>`+"\n", c.x(c.minX), c.y(1), c.x(c.maxX), c.y(c.maxX/c.minX))
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">pods (dotted: growth as the cluster's own)</text>`+"\n", left+plotX/2, height-14)
}

func (c canvas) lines(b *strings.Builder, lines []line) {
	// Labels stand at the right, the highest line's first, and do not cover each other.
	slices.SortStableFunc(lines, func(a, b line) int {
		if a.last() > b.last() {
			return -1
		}
		return 1
	})
	free := float64(top)
	for i, l := range lines {
		colour, dash := colours[i%len(colours)], ""
		if i >= len(colours) {
			dash = ` stroke-dasharray="6 3"`
		}
		var path []string
		for _, p := range l.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", c.x(p.pods), c.y(p.value/l.points[0].value)))
		}
		end := c.y(l.last())
		label := max(end+4, free)
		free = label + labelLineHeight
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(path, " "), colour, dash)
		fmt.Fprintf(b, `<path d="M%d %.1fL%d %.1f" stroke="%s" stroke-width="0.5"/><text x="%d" y="%.1f" fill="%s">%s: %s → %s %s</text>`+"\n",
			left+plotX+2, end, left+plotX+22, label-4, colour, left+plotX+26, label, colour, html.EscapeString(l.name),
			short(l.points[0].value), short(l.points[len(l.points)-1].value), html.EscapeString(l.unit))
	}
}

// last returns the last point as a multiple of the first.
func (l line) last() float64 { return l.points[len(l.points)-1].value / l.points[0].value }
