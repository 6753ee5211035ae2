package duplicates

import (
	"cmp"
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
	// Labels are all that samples bear: first those that only the evaluation has, the largest of them first, then those of
	// which the evaluation is least covered, and last those that only the others have.
	Labels []LabelCoverage
}

// LabelCoverage is that of the samples with one label.
type LabelCoverage struct {
	Label string
	// Training samples bear it, and so many Samples of the evaluation, of which Covered have a training sample of any
	// label within the distance.
	Training, Samples, Covered int
	// Far are rows of the evaluation that are not covered, the farthest first, maxFar at most.
	Far []int
}

// maxFar is how many samples stand for what a label lacks.
const maxFar = 3

// share is what is covered, and 1 for nothing.
func (l LabelCoverage) share() float64 {
	if l.Samples == 0 {
		return 1
	}
	return float64(l.Covered) / float64(l.Samples)
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
	var rows []int // of the evaluation
	var evaluation, others []float64
	for row := range n {
		vector := r.copies.group[row]
		if held[row] {
			rows, evaluation = append(rows, row), append(evaluation, toTraining(near, training, vector, training[vector]))
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
	c.Labels = r.coverLabels(c.Distance, held, rows, evaluation)
	return c
}

// coverLabels counts by label, given the distances of the evaluation's rows.
func (r *Result) coverLabels(limit float64, held []bool, rows []int, distance []float64) []LabelCoverage {
	labels := map[string]*LabelCoverage{}
	of := func(label string) *LabelCoverage {
		l, known := labels[label]
		if !known {
			l = &LabelCoverage{Label: label}
			labels[label] = l
		}
		return l
	}
	for row, evaluates := range held {
		for _, label := range r.Samples[row].Labels {
			if l := of(label); evaluates {
				l.Samples++
			} else {
				l.Training++
			}
		}
	}
	farthest := make([]int, len(rows))
	for i := range farthest {
		farthest[i] = i
	}
	slices.SortStableFunc(farthest, func(a, b int) int { return cmp.Compare(distance[b], distance[a]) })
	for _, i := range farthest {
		for _, label := range r.Samples[rows[i]].Labels {
			l := of(label)
			switch {
			case distance[i] <= limit:
				l.Covered++
			case len(l.Far) < maxFar:
				l.Far = append(l.Far, rows[i])
			}
		}
	}
	var all []LabelCoverage
	for _, l := range labels {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b LabelCoverage) int {
		if a.Training == 0 && b.Training == 0 {
			return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Label, b.Label))
		}
		return cmp.Or(min(a.Training, 1)-min(b.Training, 1), min(b.Samples, 1)-min(a.Samples, 1), cmp.Compare(a.share(), b.share()), cmp.Compare(a.Label, b.Label))
	})
	return all
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
