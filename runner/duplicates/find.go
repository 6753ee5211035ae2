package duplicates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/runner/neighbors"
)

// A Sample is what the findings say about a row beside its vector.
type Sample struct {
	// Index is the sample's position in the dataset's order.
	Index int
	ID    string
	// Split is empty for a dataset without splits.
	Split string
	// Labels may be empty, or several.
	Labels []string
	// Group names what must stay on one side of a split, such as a patient; empty for none.
	Group string
}

// Rows is the N×D matrix of embeddings before reduction. They decide which samples are exact copies, and Cosine compares them.
type Rows interface {
	Dimensions() int
	// Row returns row i, not to be written to.
	Row(i int) []float32
}

// Options says how to look for duplicates.
type Options struct {
	// Neighbors is k: how many of the nearest distinct vectors are looked at, the sample's own counted.
	Neighbors int
	Strategy  Strategy
	// MaxClusterSize is the size above which a cluster is only counted.
	MaxClusterSize int
	// EvaluationSplits are the splits that must not leak into the others.
	EvaluationSplits []string
	Threads          int
	// Progress, if not nil, is told how many rows are searched so far, copies of another included. Calls are not concurrent.
	Progress func(rows int)
}

// A Link joins two distinct vectors whose distance is within the threshold; A and B are rows, A < B, each the first of its
// copies.
type Link struct {
	A, B     int
	Distance float64
}

// A Result is what was found among N rows.
type Result struct {
	Samples   []Sample
	Threshold Threshold
	// Curve is 256 points of the sorted distances from each distinct vector to its neighbors.
	Curve []float64
	// DroppedColumns counts components whose norm is 0.
	DroppedColumns int
	// Links are the near duplicates among distinct vectors, by A, then B. Copies are not in it: see CopyGroups.
	Links []Link
	// Clusters by their mean distance, tightest first.
	Clusters []Cluster
	// ClusterOf holds for each row the position of its cluster in Clusters, or −1.
	ClusterOf []int
	// ExactCopies counts the rows that are identical to an earlier row.
	ExactCopies int
	// Total is the whole dataset, Splits and Labels its parts by name in byte order: the unnamed part is of samples without
	// a split or label, and nil stands for a dataset without any.
	Total          Share
	Splits, Labels []Share
	// Leakage is nil unless both evaluation samples and others are there.
	Leakage *Leakage
	// LabelConflicts counts the pairs of copies or linked samples whose sets of labels are disjoint; unlabeled ones have none.
	LabelConflicts int

	copies copies
}

// CopyGroups returns the groups of identical rows, each ascending, by first row.
func (r *Result) CopyGroups() [][]int {
	groups := make([][]int, 0, len(r.copies.members))
	for _, rows := range r.copies.members {
		groups = append(groups, rows)
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return groups
}

// Copies returns the rows identical to row i, itself included, ascending.
func (r *Result) Copies(i int) []int { return r.copies.rows(r.copies.group[i]) }

// Find finds the duplicates among the rows of reduced, an N×C matrix (N = len(samples)), which it scales in place; embeddings
// are the same rows before their reduction. The result doesn't depend on the number of threads.
func Find(ctx context.Context, samples []Sample, reduced []float64, components int, embeddings Rows, o Options) (*Result, error) {
	if len(samples) == 0 {
		return nil, errors.New("duplicates: there are no samples")
	}
	if len(reduced) != len(samples)*components {
		return nil, fmt.Errorf("duplicates: %d numbers for %d samples of %d components", len(reduced), len(samples), components)
	}
	if err := validate(o.Strategy); err != nil {
		return nil, err
	}
	r := &Result{Samples: samples}
	vectors := reduced
	if components > 0 {
		vectors, r.DroppedColumns = normalize(reduced, components)
		components -= r.DroppedColumns
	}
	r.copies = findCopies(len(samples), embeddings.Row)
	r.ExactCopies = len(samples) - len(r.copies.firsts)

	if progress := o.Progress; progress != nil {
		o.Progress = func(distinct int) { progress(r.ExactCopies + distinct) }
		defer progress(len(samples))
	}
	near, err := search(ctx, r.copies.firsts, vectors, components, embeddings, o)
	if err != nil {
		return nil, err
	}
	curve := sortedCurve(near.Distance)
	r.Curve = quantiles(curve)
	r.Threshold = o.Strategy.Threshold(curve, len(samples))
	r.Links = links(near, r.copies.firsts, r.Threshold.Distance)
	r.cluster(vectors, components, o)
	r.assess(o.EvaluationSplits)
	return r, nil
}

// search finds the neighbors of the distinct vectors, the rows firsts.
func search(ctx context.Context, firsts []int, vectors []float64, components int, embeddings Rows, o Options) (neighbors.Result, error) {
	options := neighbors.Options{K: o.Neighbors - 1, Threads: o.Threads, Progress: o.Progress}
	if _, cosine := o.Strategy.(Cosine); cosine {
		return searchCosine(ctx, firsts, embeddings, options)
	}
	distinct := vectors
	if len(firsts)*components < len(vectors) {
		distinct = make([]float64, 0, len(firsts)*components)
		for _, i := range firsts {
			distinct = append(distinct, vectors[i*components:(i+1)*components]...)
		}
	}
	return neighbors.Search(ctx, neighbors.Matrix[float64]{Data: distinct, N: len(firsts), D: components}, options)
}

// sameDirection is the value of 1 − cos below which two embeddings differ by no more than rounding.
const sameDirection = 1e-14

// searchCosine finds the neighbors of embeddings by 1 − cos, through their distances on the unit sphere. An embedding of
// zeros has no direction: it is as far from all others as a right angle.
func searchCosine(ctx context.Context, rows []int, embeddings Rows, options neighbors.Options) (neighbors.Result, error) {
	d := embeddings.Dimensions()
	// One dimension more keeps zeros off the sphere's center, which would be nearer to everything than a right angle is.
	sphere := make([]float64, 0, len(rows)*(d+1))
	for _, i := range rows {
		norm := 0.0
		for _, x := range embeddings.Row(i) {
			norm += float64(x) * float64(x)
		}
		norm = math.Sqrt(norm)
		for _, x := range embeddings.Row(i) {
			if norm > 0 {
				sphere = append(sphere, float64(x)/norm)
			} else {
				sphere = append(sphere, 0)
			}
		}
		if norm > 0 {
			sphere = append(sphere, 0)
		} else {
			sphere = append(sphere, 1)
		}
	}
	near, err := neighbors.Search(ctx, neighbors.Matrix[float64]{Data: sphere, N: len(rows), D: d + 1}, options)
	for i, chord := range near.Distance {
		near.Distance[i] = chord * chord / 2
		if near.Distance[i] < sameDirection {
			near.Distance[i] = 0
		}
	}
	return near, err
}

func sortedCurve(distances []float64) []float64 {
	curve := slices.Clone(distances)
	slices.Sort(curve)
	zeros, _ := slices.BinarySearch(curve, math.SmallestNonzeroFloat64)
	return curve[zeros:]
}

// links keeps each pair of neighbors within the threshold once.
func links(near neighbors.Result, firsts []int, threshold float64) []Link {
	var found []Link
	for at, distance := range near.Distance {
		if distance <= threshold {
			a, b := firsts[at/near.K], firsts[near.Index[at]]
			found = append(found, Link{A: min(a, b), B: max(a, b), Distance: distance})
		}
	}
	slices.SortFunc(found, func(x, y Link) int { return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B)) })
	return slices.Compact(found)
}
