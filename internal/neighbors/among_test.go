package neighbors

import (
	"math"
	"slices"
	"testing"
)

func TestNearestOf(t *testing.T) {
	x := Matrix[float64]{Data: []float64{0, 3, 1, -1, 1e200, 1e-200}, N: 6, D: 1}
	for name, test := range map[string]struct {
		row     int
		among   []int
		nearest int
		least   float64
	}{
		"of all but itself":   {0, []int{0, 1, 2}, 2, 1},
		"first among equals":  {0, []int{1, 3, 2}, 3, 1},
		"none":                {0, []int{0}, -1, math.Inf(1)},
		"beyond their square": {4, []int{1}, 1, 1e200},
		"below their square":  {0, []int{5}, 5, 1e-200},
	} {
		if nearest, least := NearestOf(x, test.row, slices.Values(test.among)); nearest != test.nearest || math.Abs(least/test.least-1) > 1e-15 && least != test.least {
			t.Errorf("%s: row %d at %g, want row %d at %g", name, nearest, least, test.nearest, test.least)
		}
	}
}
