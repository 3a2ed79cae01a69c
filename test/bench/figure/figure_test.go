package figure

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/golden"
)

var some = []Figure{
	{Group: "Controller", Name: "restart to synced", Pods: 1000, Unit: "s", Samples: []float64{0.4, 0.2, 0.3}, Target: Number(2), Floor: Number(0.1), FloorIs: "reading alone"},
	{Group: "Controller", Name: "memory <after>", Pods: 1000, Unit: "MB", Samples: []float64{50}},
	{Group: "Controller", Name: "restart to synced", Pods: 50_000, Unit: "s", Samples: []float64{9, 12, 11}, Target: Number(10)},
	{Group: "Controller", Name: "memory <after>", Pods: 50_000, Unit: "MB", Samples: []float64{250}},
	{Group: "Node", Name: "CNI ADD, P99", Unit: "ms", Samples: []float64{10, 20, 30, 40, 1400}, Percentile: 99},
}

func TestTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Table(&b, some))
	golden.Compare(t, "table", b.String())
}

func TestValue(t *testing.T) {
	assert.InDelta(t, 0.3, some[0].Value(), 1e-9)
	assert.False(t, some[0].Missed())
	assert.True(t, some[2].Missed())
	assert.InDelta(t, 2.5, Figure{Samples: []float64{4, 1}}.Value(), 1e-9, "between two samples")
	assert.True(t, Figure{Samples: []float64{1}, Target: Number(2), AtLeast: true}.Missed())
	assert.InDelta(t, 1400-0.04*1360, some[4].Value(), 1e-6)
}

func TestChart(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Chart(&b, some))
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	assert.Equal(t, 2, strings.Count(b.String(), "<polyline"))
	assert.Contains(t, b.String(), "restart to synced: 0.300 → 11.0 s")
	assert.Contains(t, b.String(), "memory &lt;after&gt;: 50.0 → 250 MB")
	var none strings.Builder
	require.NoError(t, Chart(&none, some[:2]))
	assert.Empty(t, none.String(), "one size has no growth")
}
