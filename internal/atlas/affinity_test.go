package atlas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestConditional(t *testing.T) {
	inf := math.Inf(1)
	for name, test := range map[string]struct {
		index    []int32
		distance []float64
		equal    bool // weights for all neighbors
		nearer   bool // ones count for more
	}{
		"distances":      {[]int32{1, 2, 3, 4}, []float64{1, 2, 3, 4}, false, true},
		"any scale":      {[]int32{1, 2, 3, 4}, []float64{1e-300, 2e-300, 3e-300, 4e-300}, false, true},
		"large":          {[]int32{1, 2, 3, 4}, []float64{1e300, 1e306, 1e307, 1e308}, false, true},
		"copies":         {[]int32{1, 2, 3, 4}, []float64{0, 0, 0, 0}, true, false},
		"almost copies":  {[]int32{1, 2, 3, 4}, []float64{0, 0, 0, 1}, false, true},
		"same distances": {[]int32{1, 2, 3, 4}, []float64{5, 5, 5, 5}, true, false},
		"one":            {[]int32{3, -1, -1, -1}, []float64{5, 0, 0, 0}, true, false},
		"itself":         {[]int32{0, 2, 3, 4}, []float64{0, 1, 1, 1}, true, false},
		"too far":        {[]int32{1, 2, 3, 4}, []float64{1, 1, inf, inf}, true, false},
		"none":           {[]int32{-1, -1, 0, 1}, []float64{0, 0, 0, inf}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := Graph{N: 5, K: 4, Index: test.index, Distance: test.distance}
			p := make([]float32, 4)
			g.conditional(0, p)
			var sum, count, largest float64
			for k, w := range p {
				if g.real(0, k) != (w > 0) {
					t.Errorf("weights %v for neighbors %v", p, test.index)
				}
				if w > 0 {
					sum, count, largest = sum+float64(w), count+1, max(largest, float64(w))
				}
			}
			if count > 0 && math.Abs(sum-1) > 1e-6 {
				t.Errorf("weights %v add up to %v", p, sum)
			}
			if test.equal && count > 0 && math.Abs(largest-1/count) > 1e-6 {
				t.Errorf("weights %v aren't equal", p)
			}
			if test.nearer && p[0] <= p[3] {
				t.Errorf("weights %v don't fall with the distance", p)
			}
		})
	}
}

func TestPerplexity(t *testing.T) {
	squares := []float64{0.3, 0.35, 0.4, 0.5, 0.55, 0.7, 0.8, 0.9, 0.95, 1}
	_, entropy := weigh(squares, calibrate(squares, 9))
	if got := math.Exp(entropy); math.Abs(got-9) > 1e-3 {
		t.Errorf("perplexity %v, want 9", got)
	}
}

// TestAffinities holds the sparse matrix against a dense one.
func TestAffinities(t *testing.T) {
	const n, k = 50, 5
	random := rand.New(rand.NewPCG(1, 2))
	g := Graph{N: n, K: k, Index: make([]int32, n*k), Distance: make([]float64, n*k)}
	want := make([][]float32, n)
	for i := range n {
		want[i] = make([]float32, n)
		for j, other := range random.Perm(n)[:k] {
			g.Index[i*k+j], g.Distance[i*k+j] = int32(other), float64(j+1)
		}
	}
	for i := range n {
		p := make([]float32, k)
		g.conditional(i, p)
		for j, w := range p {
			want[i][g.Index[i*k+j]] += w / 2
			want[g.Index[i*k+j]][i] += w / 2
		}
	}
	a := affinitiesOf(t.Context(), g, 2)
	got := make([][]float32, n)
	for i := range n {
		got[i] = make([]float32, n)
		last := int32(-1)
		for _, e := range a.row(i) {
			if e.to <= last {
				t.Errorf("row %d has the edges %v", i, a.row(i))
			}
			last = e.to
			got[i][e.to] = e.weight
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-7)); diff != "" {
		t.Error(diff)
	}
}
