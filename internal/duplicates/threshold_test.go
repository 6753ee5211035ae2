package duplicates

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowPercentile is the smallest distance of a curve that fewer than percent of all distances exceed or equal, counted
// from the top as DNIKit does: of n distances the position is n less the whole part of percent of n.
func slowPercentile(curve []float64, percent float64) float64 {
	above := 0
	for float64(above+1) <= percent*0.01*float64(len(curve)) {
		above++
	}
	if above == 0 {
		return curve[len(curve)-1]
	}
	return curve[len(curve)-above]
}

// slowSlope looks at every stride-th position from the middle down, and compares the rise over the window with that of
// the middle half.
func slowSlope(curve []float64, sensitivity int) (distance float64, elbow int) {
	n := len(curve)
	padded := append(slices.Clone(curve), slices.Repeat([]float64{curve[n-1]}, n)...)
	target := padded[n/2+n/2/2] - padded[n/2-n/2/2]
	stride := 1 + n/1000
	at := n / 2
	for ; at > stride; at -= stride {
		if padded[at+n/sensitivity]-padded[at] > target {
			return curve[at], at
		}
	}
	return curve[at], -1
}

// Each strategy against its definition, on curves of all lengths.
func TestThresholdAgainstDefinition(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		curve := make([]float64, 1+random.IntN(3000))
		for i := range curve {
			curve[i] = math.Exp(3 * random.NormFloat64())
		}
		slices.Sort(curve)
		sensitivity, percent := 2+random.IntN(30), math.Ceil(1000*random.Float64())/10
		wantDistance, wantElbow := slowSlope(curve, sensitivity)
		for _, tc := range []struct {
			strategy Strategy
			want     Threshold
		}{
			{Slope{sensitivity}, Threshold{wantDistance, wantElbow}},
			{Percentile{percent}, Threshold{slowPercentile(curve, percent), -1}},
			{Distance{3}, Threshold{3 / math.Sqrt(49), -1}},
			{Cosine{0.75}, Threshold{0.25, -1}},
			{Frozen{0.5}, Threshold{0.5, -1}},
		} {
			if got := tc.strategy.Threshold(curve, 49); got != tc.want {
				t.Errorf("seed %d, %d distances, %T%+v: %+v, want %+v", seed, len(curve), tc.strategy, tc.strategy, got, tc.want)
			}
		}
	}
}

// Where no row has a neighbor at a distance, nothing is linked but copies.
func TestThresholdOfNoCurve(t *testing.T) {
	for _, strategy := range []Strategy{Slope{5}, Percentile{99.5}} {
		if got := strategy.Threshold(nil, 3); got != (Threshold{Elbow: -1}) {
			t.Errorf("%T: %+v", strategy, got)
		}
	}
}

func TestStrategyParameters(t *testing.T) {
	for strategy, valid := range map[Strategy]bool{
		Slope{2}: true, Slope{1}: false, Percentile{0}: false, Percentile{0.1}: true, Percentile{100}: true, Percentile{100.1}: false,
		Percentile{math.NaN()}: false, Distance{0}: true, Distance{-1}: false, Distance{math.NaN()}: false,
		Cosine{-1}: true, Cosine{1}: true, Cosine{1.1}: false, Cosine{math.NaN()}: false, Frozen{0}: true, Frozen{-1}: false,
	} {
		if strategy.valid() != valid {
			t.Errorf("%T%+v: valid is %t", strategy, strategy, !valid)
		}
	}
}
