package duplicates

import "math"

// A Threshold is the largest distance at which two samples are linked.
type Threshold struct {
	// Distance is Euclidean, between scaled components; for Cosine it is 1 − similarity.
	Distance float64
	// Elbow is the position on the curve where Slope saw it bend; −1 for other strategies, and where it saw no bend.
	Elbow int
}

// A Strategy chooses the threshold from the curve: the distances of every distinct vector to its neighbors, in
// ascending order and without zeros. Samples is N, the number of rows.
type Strategy interface {
	Threshold(curve []float64, samples int) Threshold
	// valid says whether the parameter is one that the API's validation lets through.
	valid() bool
}

// Slope walks down from the middle of the curve to where it bends: there the next N·k/Sensitivity distances no longer
// rise by more than the middle half of the curve does. A higher sensitivity gives a lower threshold.
type Slope struct {
	Sensitivity int // at least 2
}

// Threshold implements Strategy.
func (s Slope) Threshold(curve []float64, _ int) Threshold {
	n := len(curve)
	if n == 0 {
		return Threshold{Elbow: -1}
	}
	at := func(i int) float64 { return curve[min(i, n-1)] }
	stride, p, width := n/1000+1, n/2, n/s.Sensitivity
	target := at(p+p/2) - at(p-p/2)
	for p > stride {
		if at(p+width)-at(p) > target {
			return Threshold{Distance: curve[p], Elbow: p}
		}
		p -= stride
	}
	return Threshold{Distance: curve[p], Elbow: -1}
}

func (s Slope) valid() bool { return s.Sensitivity >= 2 }

// Percentile takes the tightest distances: 99.5 is the tightest half percent.
type Percentile struct {
	Percent float64 // in (0, 100]
}

// Threshold implements Strategy.
func (s Percentile) Threshold(curve []float64, _ int) Threshold {
	n := len(curve)
	if n == 0 {
		return Threshold{Elbow: -1}
	}
	// The order of these operations is the reference's: another one rounds to another index.
	share := s.Percent * 0.01
	return Threshold{Distance: curve[min(n-int(share*float64(n)), n-1)], Elbow: -1}
}

func (s Percentile) valid() bool { return s.Percent > 0 && s.Percent <= 100 }

// Distance is a bound on d·√N, which unlike d itself doesn't shrink as the dataset grows.
type Distance struct {
	Normalized float64
}

// Threshold implements Strategy.
func (s Distance) Threshold(_ []float64, samples int) Threshold {
	return Threshold{Distance: s.Normalized / math.Sqrt(float64(samples)), Elbow: -1}
}

func (s Distance) valid() bool { return s.Normalized >= 0 }

// Cosine is a bound on the cosine similarity of the embeddings before their reduction: it means the same for every
// dataset.
type Cosine struct {
	Similarity float64 // in [−1, 1]
}

// Threshold implements Strategy.
func (s Cosine) Threshold([]float64, int) Threshold {
	return Threshold{Distance: 1 - s.Similarity, Elbow: -1}
}

func (s Cosine) valid() bool { return s.Similarity >= -1 && s.Similarity <= 1 }

// Frozen is a distance that was chosen before, on a baseline.
type Frozen struct {
	Distance float64
}

// Threshold implements Strategy.
func (s Frozen) Threshold([]float64, int) Threshold {
	return Threshold{Distance: s.Distance, Elbow: -1}
}

func (s Frozen) valid() bool { return s.Distance >= 0 }

// quantileCount is the number of points that stand for a whole distance curve in the results.
const quantileCount = 256

// quantiles thins a curve to 256 points, its first and last included.
func quantiles(curve []float64) []float64 {
	if len(curve) == 0 {
		return nil
	}
	out := make([]float64, quantileCount)
	for i := range out {
		out[i] = curve[i*(len(curve)-1)/(quantileCount-1)]
	}
	return out
}
