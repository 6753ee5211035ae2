package report

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// curve is the drawing of the distances in ascending order. The plot is an SVG of curveSize × curveSize units that the
// page stretches; axes and labels are HTML, so that text keeps its size.
type curve struct {
	// Path of the line, Below of the area under it up to the threshold.
	Path, Below string
	// Top is the threshold's place from the top, Left that of its meeting with the curve, in percent.
	Top, Left float64
	Threshold float64
	// Highest is the distance at the upper end.
	Highest float64
	// Within is the share of the distances within the threshold, in percent.
	Within string
	Ticks  []tick
	Unit   string
	// Relative strategies find something in any dataset.
	Relative bool
}

type tick struct {
	Label string
	Top   float64 // in percent
}

const curveSize = 1000

// newCurve draws the quantiles of the distances; nil if there are none.
func newCurve(quantiles []float64, threshold float64, strategy v1alpha1.ThresholdStrategy) *curve {
	if len(quantiles) < 2 {
		return nil
	}
	last := len(quantiles) - 1
	step := tickStep(max(quantiles[last], threshold))
	top := step * math.Ceil(max(quantiles[last], threshold)/step)
	x := func(rank float64) float64 { return curveSize * rank / float64(last) }
	y := func(d float64) float64 { return curveSize * (1 - d/top) }

	// The rank at which the curve crosses the threshold.
	at := sort.Search(len(quantiles), func(i int) bool { return quantiles[i] > threshold })
	rank := float64(at)
	switch {
	case at > last:
		rank = float64(last)
	case at > 0:
		rank = float64(at-1) + (threshold-quantiles[at-1])/(quantiles[at]-quantiles[at-1])
	}

	var line, below strings.Builder
	for i, d := range quantiles {
		letter := 'L'
		if i == 0 {
			letter = 'M'
		}
		fmt.Fprintf(&line, "%c%.1f %.1f", letter, x(float64(i)), y(d))
	}
	if rank > 0 {
		fmt.Fprintf(&below, "M0 %d", curveSize)
		for i := range at {
			fmt.Fprintf(&below, "L%.1f %.1f", x(float64(i)), y(quantiles[i]))
		}
		fmt.Fprintf(&below, "L%.1f %.1fV%dZ", x(rank), y(min(threshold, quantiles[last])), curveSize)
	}
	c := &curve{
		Path: line.String(), Below: below.String(),
		Top: 100 * (1 - threshold/top), Left: 100 * rank / float64(last), Threshold: threshold, Highest: top,
		Within:   strconv.FormatFloat(100*rank/float64(last), 'f', 1, 64) + "%",
		Unit:     strategy.Unit(),
		Relative: strategy.Relative(),
	}
	for i := 0; float64(i)*step <= top*(1+1e-9); i++ {
		c.Ticks = append(c.Ticks, tick{strconv.FormatFloat(float64(i)*step, 'g', 3, 64), 100 * (1 - float64(i)*step/top)})
	}
	return c
}

// tickStep is the largest of 1, 2 and 5 times a power of ten that divides up to highest into at least four.
func tickStep(highest float64) float64 {
	if highest < 1e-300 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, factor := range []float64{5, 2} {
		if power*factor <= highest/4 {
			return power * factor
		}
	}
	return power
}
