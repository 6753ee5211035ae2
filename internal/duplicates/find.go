package duplicates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
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
	// Pixels is the size of an image, 0 if unknown. Score is what a column of the dataset says of the sample's worth,
	// NaN if it says nothing. Both only decide which of several copies stays.
	Pixels int64
	Score  float64
	// Taken is when a photo was taken, in seconds, and Camera by which one; 0 if unknown.
	Taken  int64
	Camera uint64
	// Picture tells which samples of one vector show the same.
	Picture Picture
	// Baseline marks a sample of an earlier audit, which this one is only compared with. Such samples come last.
	Baseline bool
}

// Picture is what tells a sample's content from that of others: numbers that are equal where its bytes are, and where
// its pixels are. Zeros say that nothing is known of it: then equal vectors are taken for equal samples.
type Picture struct{ Bytes, Pixels uint64 }

// same tells whether two samples of one vector show the same.
func (p Picture) same(q Picture) bool {
	return p == Picture{} || q == Picture{} || p.Bytes == q.Bytes || p.Pixels == q.Pixels && p.Pixels != 0
}

// Rows is the N×D matrix of embeddings before reduction. They decide which samples are copies, and Cosine compares
// them.
type Rows interface {
	Dimensions() int
	// Row returns row i, not to be written to.
	Row(i int) []float32
}

// Options says how to look for duplicates.
type Options struct {
	// Neighbors is k: how many of the nearest distinct vectors are looked at, the sample's own counted.
	Neighbors int
	// Strategy chooses the threshold; with Local it is not asked.
	Strategy Strategy
	// Local is nil for the reference's method.
	Local *Local
	// MaxClusterSize is the size above which a cluster is only counted.
	MaxClusterSize int
	// EvaluationSplits are the splits that must not leak into the others.
	EvaluationSplits []string
	// Across looks only for pairs of an audited row and one of a baseline.
	Across bool
	// Apart are sets of rows that a reviewer judged to be no copies of each other: no two rows of a set get into one
	// cluster, neither directly nor through a chain.
	Apart [][]int
	// Norms are those that the columns are divided by, one a component, 0 for one that is left out: those of the
	// baseline. Nil: the rows' own.
	Norms []float64
	// Scale is the number of rows that Norms are of; 0: the baseline's.
	Scale int
	// NearMisses bounds Result.NearMisses.
	NearMisses int
	Threads    int
	// Search, if not nil, is asked for neighbors in place of neighbors.Search, whose answer it must give.
	Search func(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (neighbors.Result, error)
	// Progress, if not nil, is told how many rows are searched so far, copies of another included. Calls are not
	// concurrent.
	Progress func(rows int)
}

// A Link joins two distinct vectors whose distance is within the threshold; A and B are rows, A < B, each the first of
// its copies.
type Link struct {
	A, B     int
	Distance float64
	// Chance is, of method Local, how many neighbors as near chance alone would give a sample. It orders links as
	// Distance does.
	Chance float64
	// Weight is, of method Local, how much the link counts among those that are found: 1, and less in a crowd of copies,
	// whose thousands of pairs would otherwise make room for tens of false ones elsewhere.
	Weight float64
	// Seen is what an inspection saw; nil without one.
	Seen *Resemblance
}

// A Result is what was found among N rows.
type Result struct {
	Samples   []Sample
	Threshold Threshold
	// Curve is 256 points of the sorted distances from each distinct vector to its neighbors; with Local of the
	// candidates' alone.
	Curve []float64
	// Scale is N of the scale of distances: the rows whose norms the columns were divided by, with a baseline those
	// that it was fitted on.
	Scale int
	// Norms are what the columns were divided by, one a component; DroppedColumns counts those that are 0.
	Norms          []float64
	DroppedColumns int
	// Plane is N×2: the first two of the scaled components of each row, 0 where there are fewer.
	Plane []float32
	// Links are the near duplicates among distinct vectors, by A, then B. Copies are not in it: see CopyGroups.
	Links []Link
	// NearMisses are the pairs of neighbors just beyond the threshold, the closest of them, by distance.
	NearMisses []Link
	// Judgment is nil for the reference's method.
	Judgment *Judgment
	// Clusters by their mean distance, tightest first.
	Clusters []Cluster
	// ClusterOf holds for each row the position of its cluster in Clusters, or −1.
	ClusterOf []int
	// ExactCopies counts the rows that show the same as an earlier row, EqualVectors those that only have its vector.
	ExactCopies, EqualVectors int
	// Total is the whole dataset, Splits and Labels its parts by name in byte order: the unnamed part is of samples
	// without a split or label, and nil stands for a dataset without any.
	Total          Share
	Splits, Labels []Share
	// Leakage is nil unless both evaluation samples and others are there.
	Leakage *Leakage
	// Coverage of the evaluation by the others is nil unless both are there.
	Coverage *Coverage
	// Sequences are groups that nobody named and that cross; nil if there are none.
	Sequences *Sequences
	// Known is nil unless the rows end with samples of a baseline.
	Known *Known
	// Withheld is what the verdicts of reviewers left out.
	Withheld Withheld
	// LabelConflicts counts the pairs of copies or linked samples whose sets of labels are disjoint; unlabeled ones
	// have none.
	LabelConflicts int

	copies     copies
	apart      apart  // what Options.Apart comes to
	leftOut    []Link // because of it
	evaluation []string
}

// Known counts the samples that a baseline holds already.
type Known struct {
	// Baseline is the number of the baseline's samples.
	Baseline int
	// Samples counts the other samples that are a copy of, or directly linked to, one of the baseline.
	Samples int
	// ExactCopies counts those of them that show the same as one.
	ExactCopies int
}

// CopyGroups returns the groups of rows with one vector, each ascending, by first row.
func (r *Result) CopyGroups() [][]int {
	groups := make([][]int, 0, len(r.copies.members))
	for _, rows := range r.copies.members {
		groups = append(groups, rows)
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return groups
}

// Vector is the number of the distinct vector that a row has, in the order in which Options.Search is given them.
func (r *Result) Vector(row int) int { return r.copies.group[row] }

// Vectors is the number of distinct vectors.
func (r *Result) Vectors() int { return len(r.copies.firsts) }

// First is the first row of a distinct vector.
func (r *Result) First(vector int) int { return r.copies.firsts[vector] }

// Audited is the number of rows that are not samples of a baseline: they are the first ones.
func (r *Result) Audited() int { return audited(r.Samples) }

func audited(samples []Sample) int {
	n, _ := slices.BinarySearchFunc(samples, true, func(s Sample, _ bool) int {
		if s.Baseline {
			return 0
		}
		return -1
	})
	return n
}

// Copies returns the rows with the vector of row i, itself included, ascending.
func (r *Result) Copies(i int) []int { return r.copies.rows(r.copies.group[i]) }

// Find finds the duplicates among the rows of reduced, an N×C matrix (N = len(samples)), which it scales in place;
// embeddings are the same rows before their reduction. The result doesn't depend on the number of threads.
//
// Rows of a baseline, the last ones, are compared with the others and not with each other.
func Find(ctx context.Context, samples []Sample, reduced []float64, components int, embeddings Rows, o Options) (*Result, error) {
	r := &Result{Samples: samples, Scale: len(samples), evaluation: o.EvaluationSplits}
	if o.Norms != nil {
		r.Scale = cmp.Or(o.Scale, len(samples)-r.Audited())
	}
	near, vectors, err := r.link(ctx, reduced, components, embeddings, o)
	if err != nil {
		return nil, err
	}
	r.findSequences(near)
	components -= r.DroppedColumns
	r.cluster(vectors, components, o)
	if r.Coverage, err = r.cover(ctx, near, neighbors.Matrix[float64]{Data: vectors, N: r.Vectors(), D: components}, o.Threads); err != nil {
		return nil, err
	}
	r.assess()
	return r, nil
}

// link finds copies and links. It returns the neighbors of the distinct vectors, and these, scaled, in the place of all.
func (r *Result) link(ctx context.Context, reduced []float64, components int, embeddings Rows, o Options) (near neighbors.Result, vectors []float64, err error) {
	samples := r.Samples
	if len(samples) == 0 {
		return near, nil, errors.New("duplicates: there are no samples")
	}
	if len(reduced) != len(samples)*components {
		return near, nil, fmt.Errorf("duplicates: %d numbers for %d samples of %d components", len(reduced), len(samples), components)
	}
	if o.Local == nil && !o.Strategy.valid() {
		return near, nil, fmt.Errorf("duplicates.threshold: %T%+v is out of range", o.Strategy, o.Strategy)
	}
	vectors = reduced
	if components > 0 {
		if r.Norms = o.Norms; r.Norms == nil {
			r.Norms = columnNorms(reduced, components)
		}
		vectors, r.DroppedColumns = normalize(reduced, r.Norms)
		components -= r.DroppedColumns
	}
	r.Plane = plane(vectors, len(samples), components)
	if o.Local != nil {
		toSphere(vectors, components)
	}
	undeniable, overruled := r.undeniable(embeddings), map[[2]int]bool{}
	r.apart = newApart(o.Apart, func(i, j int) bool {
		is := undeniable(i, j)
		if is {
			overruled[[2]int{min(i, j), max(i, j)}] = true
		}
		return is
	})
	r.Withheld.Overruled = len(overruled)
	apartFrom := r.Audited()
	if o.Across { // many equal ones of a reference must not take the place of what is around them
		apartFrom = len(samples)
	}
	r.copies = findCopies(len(samples), apartFrom, embeddings.Row, r.apart)
	r.countCopies()
	vectors = r.copies.compact(vectors, components)

	if progress := o.Progress; progress != nil {
		o.Progress = func(distinct int) { progress(len(samples) - len(r.copies.firsts) + distinct) }
		defer progress(len(samples))
	}
	if near, err = r.search(ctx, vectors, components, embeddings, o); err != nil {
		return near, nil, err
	}
	if o.Local != nil {
		err = r.local(ctx, near, components, o)
	} else {
		r.byStrategy(near, o)
	}
	return near, vectors, err
}

// byStrategy links the pairs of neighbors within one distance.
func (r *Result) byStrategy(near neighbors.Result, o Options) {
	curve := sortedCurve(near.Distance)
	r.Curve = quantiles(curve)
	r.Threshold = o.Strategy.Threshold(curve, r.Scale)
	r.Links = r.constrain(links(near, r.copies.firsts, r.Threshold.Distance))
	if o.Across {
		compared := r.pairing(true)
		r.Links = slices.DeleteFunc(r.Links, func(l Link) bool { return !compared.compares(r.copies.group[l.A], r.copies.group[l.B]) })
	}
	r.NearMisses = nearMisses(near, r.copies.firsts, r.Threshold.Distance, o.NearMisses, r.apart)
}

// search finds the neighbors of the distinct vectors that are not the baseline's. Local needs what is around those,
// too.
func (r *Result) search(ctx context.Context, vectors []float64, components int, embeddings Rows, o Options) (neighbors.Result, error) {
	firsts := r.copies.firsts
	audited, _ := slices.BinarySearch(firsts, r.Audited())
	if audited == 0 {
		return neighbors.Result{}, nil
	}
	search := o.Search
	if search == nil {
		search = neighbors.Search[float64]
	}
	options := neighbors.Options{K: o.Neighbors - 1, To: audited, Threads: o.Threads, Progress: o.Progress}
	if o.Local != nil {
		options.To = len(firsts)
	}
	if _, cosine := o.Strategy.(Cosine); cosine {
		sphere := onSphere(firsts, embeddings)
		near, err := search(ctx, sphere, options)
		return byCosine(near), err
	}
	return search(ctx, neighbors.Matrix[float64]{Data: vectors, N: len(firsts), D: components}, options)
}

// sameDirection is the value of 1 − cos below which two embeddings differ by no more than rounding.
const sameDirection = 1e-14

// onSphere scales embeddings to length 1, where their distances tell 1 − cos. An embedding of zeros has no direction: it
// is as far from all others as a right angle.
func onSphere(rows []int, embeddings Rows) neighbors.Matrix[float64] {
	d := embeddings.Dimensions()
	// One dimension more keeps zeros off the sphere's center, which would be nearer to everything than a right angle
	// is.
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
	return neighbors.Matrix[float64]{Data: sphere, N: len(rows), D: d + 1}
}

// byCosine turns distances on the unit sphere into 1 − cos.
func byCosine(near neighbors.Result) neighbors.Result {
	for i, chord := range near.Distance {
		near.Distance[i] = chord * chord / 2
		if near.Distance[i] < sameDirection {
			near.Distance[i] = 0
		}
	}
	return near
}

func sortedCurve(distances []float64) []float64 {
	curve := slices.Clone(distances)
	slices.Sort(curve)
	zeros, _ := slices.BinarySearch(curve, math.SmallestNonzeroFloat64)
	return curve[zeros:]
}

// plane keeps the first two columns of the N×C matrix.
func plane(vectors []float64, n, components int) []float32 {
	out := make([]float32, 2*n)
	for i := range n {
		for c := range min(2, components) {
			out[2*i+c] = float32(vectors[i*components+c])
		}
	}
	return out
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
	slices.SortFunc(found, byRows)
	return slices.Compact(found)
}

func byRows(x, y Link) int { return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B)) }

func byDistance(x, y Link) int { return cmp.Or(cmp.Compare(x.Distance, y.Distance), byRows(x, y)) }

// nearMisses returns the limit closest pairs of neighbors beyond the threshold, by distance, without those judged
// apart. What it holds meanwhile has a bound too.
func nearMisses(near neighbors.Result, firsts []int, threshold float64, limit int, apart apart) []Link {
	if limit == 0 {
		return nil
	}
	var found []Link
	closest := func() {
		slices.SortFunc(found, byDistance)
		found = slices.Compact(found)
		found = found[:min(len(found), limit)]
	}
	bound := math.Inf(1) // the limit-th distance so far
	for at, distance := range near.Distance {
		a, b := firsts[at/near.K], firsts[near.Index[at]]
		if distance <= threshold || distance > bound || apart.judged(a, b) {
			continue
		}
		found = append(found, Link{A: min(a, b), B: max(a, b), Distance: distance})
		if len(found) == 4*limit {
			closest()
			if len(found) == limit {
				bound = found[limit-1].Distance
			}
		}
	}
	closest()
	return found
}
