package duplicates

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Local is the method that judges a pair by what is around its two samples: how many neighbors as near would chance
// alone give them? Under the assumption that look-alikes around a sample are spread evenly over a space of some
// dimension, which the outer ones of its neighbors tell, the answer is a number with a known distribution, and pairs
// far below it are copies. So no distance has to be chosen, a dense region of look-alikes is not a cluster, and nothing
// being found is a valid answer. docs/method.md has the reasoning.
type Local struct {
	// Rate is the share of the pairs found that may be there by chance, in (0, 1).
	Rate float64
	// Inspect, if not nil, compares the samples of each pair once more, by something that the embeddings don't say.
	Inspect func(ctx context.Context, pairs []Link) ([]Resemblance, error)
}

// A Judgment says on what the pairs of method Local rest.
type Judgment struct {
	// Rate is the share of false pairs asked for.
	Rate float64
	// Neighbors is how many neighbors of a row were looked at, Pairs how many pairs are linked.
	Neighbors, Pairs int
	// Sides is the number of rows around which chance can bring a pair. Of a baseline's, to which only audited rows are
	// compared, each counts for the share of these.
	Sides float64
	// ChancePairs bounds the expected number of them that are there by chance.
	ChancePairs float64
	// Dimension is the median of the local intrinsic dimensions, Shrinkage what they were all multiplied by.
	Dimension, Shrinkage float64
	// Fit is the number of pairs where chance has them, between 0.1 and 1 neighbors a row, over the expected one: 1 and
	// less where the assumption holds. NaN for fewer than 100 rows.
	Fit float64
	// Inspection is nil without one.
	Inspection *Inspection
}

// highestRate is that up to which pairs are near misses: beyond it most of them are chance's.
const highestRate = 0.5

// maxChance is the number of chance neighbors a row up to which pairs are candidates.
const maxChance = 3

// local links the pairs that are nearer than chance would have them.
func (r *Result) local(ctx context.Context, near neighbors.Result, components int, o Options) error {
	firsts := r.copies.firsts
	audited, _ := slices.BinarySearch(firsts, r.Audited())
	around := newSurroundings(near, components)
	r.Judgment = &Judgment{
		Rate: o.Local.Rate, Neighbors: near.K, Dimension: around.dimension, Shrinkage: around.shrinkage,
		Sides: float64(audited) * (2 - float64(audited)/float64(max(len(firsts), 1))),
	}
	candidates := around.candidates(near, audited, firsts, o.Local.Inspect != nil)
	r.Judgment.Fit = fit(candidates, audited, len(firsts))
	if o.Local.Inspect != nil {
		if err := r.inspect(ctx, candidates, o.Local.Inspect); err != nil {
			return err
		}
	}
	slices.SortFunc(candidates, byChance)
	for i := range candidates {
		candidates[i].Distance = around.relative(candidates[i].Chance)
	}

	found := r.Judgment.discoveries(candidates, o.Local.Rate)
	r.Threshold = Threshold{Elbow: -1}
	if found > 0 {
		last := candidates[found-1]
		r.Threshold.Distance, r.Judgment.ChancePairs = last.Distance, r.Judgment.Sides*last.Chance
	}
	distances := make([]float64, len(candidates))
	for i, l := range candidates {
		distances[i] = l.Distance
	}
	r.Curve = quantiles(sortedCurve(distances))
	for _, l := range candidates[found:max(found, r.Judgment.discoveries(candidates, highestRate))] {
		if len(r.NearMisses) == o.NearMisses {
			break
		}
		if !r.apart.judged(l.A, l.B) {
			l.Distance = max(l.Distance, math.Nextafter(r.Threshold.Distance, 2)) // beyond it also where rounding hides that
			r.NearMisses = append(r.NearMisses, l)
		}
	}
	r.Links = slices.Clone(candidates[:found])
	slices.SortFunc(r.Links, byRows)
	r.Links = r.constrain(r.Links)
	r.Judgment.Pairs = len(r.Links)
	return nil
}

// Rates returns for each of the links, least chance first, the false-discovery rate by which it and all before it are
// found.
func (j *Judgment) Rates(links []Link) []float64 {
	rates := make([]float64, len(links))
	least := math.Inf(1)
	for i := len(links) - 1; i >= 0; i-- {
		least = min(least, j.Sides*links[i].Chance/float64(i+1))
		rates[i] = least
	}
	return rates
}

func byChance(x, y Link) int { return cmp.Or(cmp.Compare(x.Chance, y.Chance), byRows(x, y)) }

// discoveries returns how many of the links, least chance first, can be taken so that no more than the rate of them are
// expected to be there by chance (Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x). A pair whose
// mean of both sides is at most s has a side that is, and around each row chance brings s such neighbors.
func (j *Judgment) discoveries(links []Link, rate float64) int {
	for k := len(links); k > 0; k-- {
		if j.Sides*links[k-1].Chance <= rate*float64(k) {
			return k
		}
	}
	return 0
}

// fit compares the number of pairs where chance has them with the expected one. Pairs of two audited rows are neighbors
// of both.
func fit(pairs []Link, audited, all int) float64 {
	if audited < 100 {
		return math.NaN()
	}
	found := 0
	for _, l := range pairs {
		if l.Chance > 0.1 && l.Chance <= 1 {
			found++
		}
	}
	return float64(found) / (0.9 * float64(audited) * (1 - float64(audited)/float64(all)/2))
}

// toSphere scales each row of the N×C matrix to unit length, in place; zeros stay. A sample far out has all its
// components large, and would be far from its own copy.
func toSphere(x []float64, columns int) {
	if columns == 0 {
		return
	}
	for row := range slices.Chunk(x, columns) {
		sum := 0.0
		for _, v := range row {
			sum += v * v
		}
		if norm := math.Sqrt(sum); norm > 0 {
			for c := range row {
				row[c] /= norm
			}
		}
	}
}

// surroundings are what the neighbors of each row tell about chance.
//
// In a space of dimension m in which points are spread evenly, the number of neighbors within d grows as d^m, so that
// of the K−1 neighbors within the K-th, at distance r_K, each has a log(r_K/r) that is exponentially distributed with
// mean 1/m (Levina and Bickel 2004). The inner ones may be copies and don't count; they are censored at rank a. The n =
// K − a spacings outside of it, each weighted with the number of points beyond, have a sum T of n independent
// exponentials, whatever is inside (Rényi 1953, doi:10.1007/BF02127580). Of the a − 1 inner points, therefore, (a −
// 1)·(1 + log(r_a/d)/T)^−n are expected within d, the uncertainty of T included: it is the mean of exp(−m·log(r_a/d))
// over what T says of m.
type surroundings struct {
	inner, outer int       // a and n
	radius       []float64 // r_a of each row
	spread       []float64 // T of each row, after the shrinkage
	typical      float64   // the median T
	dimension    float64   // the median dimension, before the shrinkage
	shrinkage    float64
}

// leastShrinkage bounds the shrinkage where samples with many copies are the rule, and not the space is bent.
const leastShrinkage = 0.1

func newSurroundings(near neighbors.Result, components int) *surroundings {
	k := near.K
	s := &surroundings{inner: max(2, (k+1)/5), shrinkage: 1}
	s.outer = k - s.inner
	if s.outer < 1 {
		return s // too few rows to tell anything
	}
	n := len(near.Distance) / k
	s.radius, s.spread = make([]float64, n), make([]float64, n)
	// The dimension near a sample and that farther out. Of spaces that are curved the nearer one is lower, and so is
	// what to expect of copies; half as many inner ones as may be copies and the median over all rows keep copies out
	// of it.
	low, middle := max(1, s.inner/2), s.inner+s.inner/2
	var nearer, farther []float64
	for i := range n {
		distances := near.Distance[i*k : (i+1)*k]
		s.radius[i] = distances[s.inner-1]
		// No space has more dimensions than the vectors: rounding errors of equal distances would seem to.
		s.spread[i] = max(spread(distances, s.inner, k), float64(s.outer)/float64(max(components, 1)))
		if middle < k {
			nearer, farther = append(nearer, spread(distances, low, middle)), append(farther, spread(distances, middle, k))
		}
	}
	s.dimension = dimension(s.outer, median(s.spread))
	if middle < k {
		s.shrinkage = dimension(middle-low, median(nearer)) / dimension(k-middle, median(farther))
		if !(s.shrinkage < 1) {
			s.shrinkage = 1
		}
		s.shrinkage = max(s.shrinkage, leastShrinkage)
	}
	for i := range s.spread {
		s.spread[i] /= s.shrinkage
	}
	s.typical = median(s.spread)
	return s
}

// spread is T for the ranks from to to, counted from 1: the sum of log(r_to/r) over all points within r_to, those
// within r_from taken as if they were there.
func spread(distances []float64, from, to int) float64 {
	if distances[to-1] == 0 {
		return 0 // all on one spot
	}
	sum := 0.0
	outermost := math.Log(distances[to-1])
	for _, d := range distances[from-1 : to-1] {
		sum += outermost - math.Log(d)
	}
	return sum + float64(from-1)*(outermost-math.Log(distances[from-1]))
}

// dimension is that of the median spread over n spacings: the median of a sum of n exponentials is (n − 1/3)/m, nearly.
func dimension(n int, spread float64) float64 {
	if math.IsInf(spread, 1) || spread == 0 {
		return 0
	}
	return (float64(n) - 1.0/3) / spread
}

func median(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// chance is how many neighbors within distance d chance alone would give row i.
func (s *surroundings) chance(i int, d float64) float64 {
	if s.outer < 1 || s.radius[i] == 0 {
		return math.Inf(1) // nothing tells, or a crowd on one spot
	}
	beyond, n := math.Log(s.radius[i]/d), float64(s.outer)
	if beyond < 0 { // farther than rank a: there the typical growth will do
		return float64(s.inner-1) * math.Exp(-beyond*n/s.spread[i])
	}
	return float64(s.inner-1) * math.Exp(-n*math.Log1p(beyond/s.spread[i]))
}

// relative is the distance at which a row with a typical surrounding, of radius 1, would have so many chance neighbors.
// It orders pairs as their chance does, in numbers that one can look at.
func (s *surroundings) relative(chance float64) float64 {
	ratio := float64(s.inner-1) / chance
	if ratio < 1 {
		return math.Exp(-math.Log(ratio) * s.typical / float64(s.outer))
	}
	return math.Exp(-s.typical * (math.Pow(ratio, 1/float64(s.outer)) - 1))
}

// candidates are the pairs of neighbors that are not far from what chance would give, or nearer, by rows. A pair counts
// for as much as the geometric mean of what its two sides say. Those of two rows of a baseline are none: its rows begin
// at audited.
//
// In a group of more copies than the inner neighbors hold, nothing is nearer than what is around it. An inspection can
// tell: for it the inner neighbors of rows without any candidate are candidates, too, with the most chance that one may
// have.
func (s *surroundings) candidates(near neighbors.Result, audited int, firsts []int, inspected bool) []Link {
	var found []Link
	add := func(row, at int, chance float64) {
		i, j := row, int(near.Index[row*near.K+at])
		if i, j = min(i, j), max(i, j); i < audited {
			found = append(found, Link{A: firsts[i], B: firsts[j], Distance: near.Distance[row*near.K+at], Chance: chance})
		}
	}
	for row := range len(s.radius) {
		alone := true
		for at, d := range near.Distance[row*near.K : (row+1)*near.K] {
			if chance := math.Sqrt(s.chance(row, d)) * math.Sqrt(s.chance(int(near.Index[row*near.K+at]), d)); chance < maxChance {
				add(row, at, chance)
				alone = false
			}
		}
		for at := 0; inspected && alone && at < s.inner-1; at++ {
			add(row, at, maxChance)
		}
	}
	slices.SortFunc(found, byRows)
	return slices.Compact(found)
}
