package duplicates

import "math"

// normalize divides each column of the N×C matrix by its Euclidean norm, in place, and returns how many columns it left
// out because their norm is 0; the matrix that remains is N×(C − dropped) in the same memory.
func normalize(x []float64, columns int) (kept []float64, dropped int) {
	norms := make([]float64, columns)
	largest := make([]float64, columns)
	for i, v := range x {
		largest[i%columns] = max(largest[i%columns], math.Abs(v))
	}
	for i, v := range x {
		if c := i % columns; largest[c] > 0 {
			v /= largest[c] // so that no square overflows or vanishes
			norms[c] += v * v
		}
	}
	for c := range norms {
		norms[c] = largest[c] * math.Sqrt(norms[c])
		if norms[c] == 0 {
			dropped++
		}
	}
	kept = x[:0]
	for i, v := range x {
		if c := i % columns; norms[c] > 0 {
			kept = append(kept, v/norms[c])
		}
	}
	return kept, dropped
}
