// Package scrape reads Prometheus' text format, as far as this benchmark needs it.
package scrape

import (
	"strconv"
	"strings"
)

// Metrics maps a series, written with its labels, to its value.
type Metrics map[string]float64

// Parse reads the text that /metrics answers with.
func Parse(text string) Metrics {
	m := Metrics{}
	for line := range strings.Lines(text) {
		name, value, ok := cutLast(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			m[name] = n
		}
	}
	return m
}

func cutLast(s, separator string) (before, after string, ok bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// Sum adds the series of one name, whatever their labels.
func (m Metrics) Sum(name string) float64 {
	total := 0.0
	for series, n := range m {
		if series == name || strings.HasPrefix(series, name+"{") {
			total += n
		}
	}
	return total
}

// Since returns how much a name's sum has grown.
func (m Metrics) Since(before Metrics, name string) float64 { return m.Sum(name) - before.Sum(name) }
