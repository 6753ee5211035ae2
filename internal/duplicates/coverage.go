package duplicates

import (
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Coverage says how much of the evaluation the other samples cover.
type Coverage struct {
	// Samples of the evaluation, and how many of them have another sample within Distance.
	Samples, Covered int
	// Distance is that within which coveredShare of the other samples have one of their own.
	Distance float64
}

// coveredShare of the training samples are near to others by definition: nearness has the scale that they set.
const coveredShare = 0.95

// cover measures the distances from each sample to the nearest training sample other than itself. Where none is among its
// neighbors, it is as far as the farthest of these, at least; nil where one side is absent.
func (r *Result) cover(near neighbors.Result) *Coverage {
	if near.K == 0 {
		return nil
	}
	n := r.Audited()
	training := make([]int32, len(r.copies.firsts)) // rows of each vector
	held := make([]bool, n)
	for row := range n {
		if held[row] = r.held(row); !held[row] {
			training[r.copies.group[row]]++
		}
	}
	var evaluation, others []float64
	for row := range n {
		vector := r.copies.group[row]
		if held[row] {
			evaluation = append(evaluation, toTraining(near, training, vector, training[vector]))
		} else {
			others = append(others, toTraining(near, training, vector, training[vector]-1))
		}
	}
	if len(evaluation) == 0 || len(others) < 2 {
		return nil
	}
	slices.Sort(others)
	c := &Coverage{Samples: len(evaluation), Distance: others[min(int(coveredShare*float64(len(others))), len(others)-1)]}
	for _, distance := range evaluation {
		if distance <= c.Distance {
			c.Covered++
		}
	}
	return c
}

// toTraining is the distance from a vector to the nearest one of training samples, 0 if it has so many itself.
func toTraining(near neighbors.Result, training []int32, vector int, itself int32) float64 {
	if itself > 0 {
		return 0
	}
	for at := vector * near.K; at < (vector+1)*near.K; at++ {
		if training[near.Index[at]] > 0 {
			return near.Distance[at]
		}
	}
	return math.Nextafter(near.Distance[(vector+1)*near.K-1], math.Inf(1))
}
