package duplicates

import (
	"math"
	"slices"
)

// columnNorms returns the Euclidean norm of each column of the N×C matrix.
func columnNorms(x []float64, columns int) []float64 {
	norms := make([]float64, columns)
	largest := make([]float64, columns)
	for row := range slices.Chunk(x, columns) {
		for c, v := range row {
			largest[c] = max(largest[c], math.Abs(v))
		}
	}
	for row := range slices.Chunk(x, columns) {
		for c, v := range row {
			if largest[c] > 0 {
				v /= largest[c] // so that no square overflows or vanishes
				norms[c] += v * v
			}
		}
	}
	for c := range norms {
		norms[c] = largest[c] * math.Sqrt(norms[c])
	}
	return norms
}

// normalize divides each column of the N×C matrix by its norm, in place, and returns how many columns it left out
// because their norm is 0; the matrix that remains is N×(C − dropped) in the same memory.
func normalize(x, norms []float64) (kept []float64, dropped int) {
	for _, norm := range norms {
		if norm == 0 {
			dropped++
		}
	}
	kept = x[:0]
	for row := range slices.Chunk(x, len(norms)) {
		for c, v := range row {
			if norms[c] > 0 {
				kept = append(kept, v/norms[c])
			}
		}
	}
	return kept, dropped
}
