package duplicates

import (
	"cmp"
	"context"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Coverage says how much of the evaluation the other samples cover.
type Coverage struct {
	// Samples of the evaluation, and how many of them have another sample within Distance.
	Samples, Covered int
	// Distance is that within which coveredShare of the other samples have one of their own, one sample of each cluster
	// asked, and for what is outside of it.
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
	// Far are rows of the evaluation that are not covered, the farthest first, maxFar at most. Where none of its neighbors
	// is a training sample, a row counts as far as the last of these.
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

// cover measures how far the evaluation and the other samples lie from those others, given the neighbors of the distinct
// vectors of N×D numbers; nil where one side is absent, or all of the other one is alike. Clusters are found before: of each
// one sample sets the scale, by what lies outside of it, so that copies make nothing seem far.
func (r *Result) cover(ctx context.Context, near neighbors.Result, x neighbors.Matrix[float64], threads int) (*Coverage, error) {
	if near.K == 0 {
		return nil, nil
	}
	c := closest{near: near, x: x, training: make([]bool, len(r.copies.firsts)), cluster: make([]int, len(r.copies.firsts))}
	var rows []int // of the evaluation
	held := make([]bool, r.Audited())
	for row := range held {
		if held[row] = r.held(row); held[row] {
			rows = append(rows, row)
		} else {
			c.training[r.copies.group[row]] = true
		}
	}
	for vector, first := range r.copies.firsts {
		c.cluster[vector] = r.ClusterOf[first]
	}
	if len(rows) == 0 {
		return nil, nil
	}
	scale, err := c.apart(ctx, threads)
	if err != nil || len(scale) < 2 {
		return nil, err
	}
	out := &Coverage{Samples: len(rows), Distance: scale[min(int(coveredShare*float64(len(scale))), len(scale)-1)]}
	far, err := c.toTraining(ctx, rows, r.copies.group, out.Distance, threads)
	if err != nil {
		return nil, err
	}
	for _, distance := range far {
		if distance <= out.Distance {
			out.Covered++
		}
	}
	out.Labels = r.coverLabels(out.Distance, held, rows, far)
	return out, nil
}

// closest finds the nearest training vectors.
type closest struct {
	near     neighbors.Result
	x        neighbors.Matrix[float64]
	training []bool // by vector: a training sample has it
	cluster  []int  // by vector, −1 for none
}

// apart are the distances from one training vector of each cluster, and from those without, to the nearest one outside,
// ascending.
func (c *closest) apart(ctx context.Context, threads int) ([]float64, error) {
	var found []float64
	var asked []question
	seen := map[int]bool{}
	for vector, is := range c.training {
		cluster := c.cluster[vector]
		if !is || seen[cluster] {
			continue
		}
		seen[cluster] = cluster >= 0
		if distance, known := c.among(vector, cluster); known {
			found = append(found, distance)
		} else {
			asked = append(asked, question{vector, cluster})
		}
	}
	answers, err := c.search(ctx, asked, threads)
	if err != nil {
		return nil, err
	}
	for _, distance := range answers {
		if !math.IsInf(distance, 1) { // nothing is outside, or too many were asked
			found = append(found, distance)
		}
	}
	slices.Sort(found)
	return found, nil
}

// toTraining are the distances from some rows, whose vectors are given, to the nearest training vector, as far as they
// matter: what is known to lie beyond the limit is not searched for.
func (c *closest) toTraining(ctx context.Context, rows, vectors []int, limit float64, threads int) ([]float64, error) {
	found := make([]float64, len(rows))
	var asked []question
	var at []int
	for i, row := range rows {
		vector := vectors[row]
		if c.training[vector] {
			continue
		}
		distance, known := c.among(vector, -1)
		if known || distance > limit {
			found[i] = distance
			continue
		}
		asked, at = append(asked, question{vector, -1}), append(at, i)
	}
	answers, err := c.search(ctx, asked, threads)
	for i, distance := range answers {
		found[at[i]] = distance
	}
	return found, err
}

// among looks among a vector's neighbors for a training vector that is not of a cluster. Where none is, it is at least as
// far as the last of them.
func (c *closest) among(vector, cluster int) (distance float64, known bool) {
	for at := vector * c.near.K; at < (vector+1)*c.near.K; at++ {
		if other := int(c.near.Index[at]); c.fits(other, cluster) {
			return c.near.Distance[at], true
		}
	}
	return c.near.Distance[(vector+1)*c.near.K-1], false
}

func (c *closest) fits(vector, cluster int) bool {
	return c.training[vector] && (cluster < 0 || c.cluster[vector] != cluster)
}

// A question asks for the distance from a vector to the nearest training vector that is not of a cluster, if that is one.
type question struct{ vector, cluster int }

// mostAsked bounds the multiplications of all answers. Vectors that none of their neighbors answers for are few, but for
// crowds of the evaluation without training samples.
const mostAsked = 1 << 36

// search compares with all training vectors. What it has no time for, and what has no answer, is +Inf.
func (c *closest) search(ctx context.Context, asked []question, threads int) ([]float64, error) {
	answers := slices.Repeat([]float64{math.Inf(1)}, len(asked))
	most := mostAsked / max(c.x.N*c.x.D, 1)
	var group errgroup.Group
	group.SetLimit(max(threads, 1))
	for i, q := range asked[:min(len(asked), most)] {
		group.Go(func() error {
			_, answers[i] = neighbors.NearestOf(c.x, q.vector, func(yield func(int) bool) {
				for other := range c.training {
					if c.fits(other, q.cluster) && !yield(other) {
						return
					}
				}
			})
			return ctx.Err()
		})
	}
	return answers, group.Wait()
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
