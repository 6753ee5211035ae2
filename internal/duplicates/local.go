package duplicates

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Local is the method that judges a pair by what is around its two samples. It asks how many neighbors as near chance
// alone would give them. It assumes that look-alikes around a sample are spread evenly over a space of some dimension.
// The outer neighbors of the sample tell that dimension. Then the answer is a number with a known distribution, and
// pairs far below it are copies. So no distance has to be chosen. A dense region of look-alikes is not a cluster, and
// it is a valid result to find nothing. The reasoning is in docs/method.md.
type Local struct {
	// Rate is the share of the found pairs that may be there by chance, in (0, 1).
	Rate float64
	// Inspect, if not nil, compares the samples of each pair once more, by something that the embeddings don't say.
	Inspect func(ctx context.Context, pairs []Link) ([]Resemblance, error)
	// InspectsBaseline says that Inspect can look at rows of a baseline, too.
	InspectsBaseline bool
}

// A Judgment says what the pairs of method Local rest on.
type Judgment struct {
	// Rate is the share of false pairs that was asked for.
	Rate float64
	// Neighbors is how many neighbors of a row were looked at. Pairs is how many pairs are linked.
	Neighbors, Pairs int
	// Sides is the number of distinct rows around which chance can bring a pair. A row of a baseline is compared only
	// with audited rows, so it counts for the share of these.
	Sides float64
	// ChancePairs bounds the expected number of linked pairs that are there by chance.
	ChancePairs float64
	// Dimension is the median of the local intrinsic dimensions, before the shrinkage. Shrinkage is the factor that all
	// of them were multiplied by.
	Dimension, Shrinkage float64
	// Fit is the number of pairs that have between 0.1 and 1 chance neighbors, divided by the expected number. Nearly
	// all of these come from chance. Fit is 1 or less where the assumption holds. It is NaN for fewer than 100
	// Sides.
	Fit float64
	// Inspection is nil if there was none.
	Inspection *Inspection
}

// highestRate is the rate up to which pairs are near misses. Beyond it, most pairs come from chance.
const highestRate = 0.5

// maxChance is the number of chance neighbors of a row below which pairs are candidates.
const maxChance = 3

// local links the pairs that are nearer than chance would bring them.
func (r *Result) local(ctx context.Context, near neighbors.Result, components int, o Options) error {
	firsts := r.copies.firsts
	around := newSurroundings(near, components)
	compared := r.pairing(o.Across)
	r.Judgment = &Judgment{
		Rate: o.Local.Rate, Neighbors: near.K, Dimension: around.dimension, Shrinkage: around.shrinkage, Sides: compared.sides(),
	}
	candidates := around.candidates(near, compared, firsts, o.Local.Inspect != nil)
	r.Judgment.Fit = fit(candidates, compared)
	if o.Local.Inspect != nil {
		var err error
		if candidates, err = r.inspect(ctx, candidates, near, compared, around.inner, o.Local); err != nil {
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
			// The distance is beyond the threshold even where rounding hides that.
			l.Distance = max(l.Distance, math.Nextafter(r.Threshold.Distance, 2))
			r.NearMisses = append(r.NearMisses, l)
		}
	}
	r.Links = slices.Clone(candidates[:found])
	slices.SortFunc(r.Links, byRows)
	r.Links = r.constrain(r.Links)
	r.Judgment.Pairs = len(r.Links)
	return nil
}

// Rates returns, for each link, the false-discovery rate at which it and all before it are found. The links must come
// least chance first.
func (j *Judgment) Rates(links []Link) []float64 {
	rates := make([]float64, len(links))
	found := 0.0
	for i, l := range links {
		found += l.Weight
		rates[i] = j.Sides * l.Chance / found
	}
	for i := len(links) - 2; i >= 0; i-- {
		rates[i] = min(rates[i], rates[i+1])
	}
	return rates
}

func byChance(x, y Link) int { return cmp.Or(cmp.Compare(x.Chance, y.Chance), byRows(x, y)) }

// discoveries returns how many of the links can be taken at the given rate. The links must come least chance first. Of
// those taken, no more than this share is expected to be there by chance (Benjamini and Hochberg 1995,
// doi:10.1111/j.2517-6161.1995.tb02031.x). The chance of a pair is the mean of its two sides. If it is at most s, one
// side is at most s, and chance brings s such neighbors around each row.
func (j *Judgment) discoveries(links []Link, rate float64) int {
	taken, found := 0, 0.0
	for i, l := range links {
		if found += l.Weight; j.Sides*l.Chance <= rate*found {
			taken = i + 1
		}
	}
	return taken
}

// fit divides the number of pairs in the range where chance has them by the expected number. A pair counts as a neighbor
// of both of its rows.
func fit(pairs []Link, compared pairing) float64 {
	if compared.sides() < 100 {
		return math.NaN()
	}
	found := 0
	for _, l := range pairs {
		if l.Chance > 0.1 && l.Chance <= 1 {
			found++
		}
	}
	return float64(found) / (0.9 * compared.sides() / 2)
}

// toSphere scales each row of the N×C matrix to unit length, in place. Zeros stay. Otherwise a sample far out, whose
// components are all large, would be far from its own copy.
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
// Take a space of dimension m in which points are spread evenly. The number of neighbors within d then grows as d^m.
// Say that the K-th neighbor is at distance r_K, and one of the K−1 neighbors within it at r. Then log(r_K/r) is
// exponentially distributed with mean 1/m (Levina and Bickel 2004).
//
// The inner neighbors may be copies and don't count. They are censored at rank a. That leaves the n = K − a spacings
// outside of rank a. Each is weighted with the number of points inside it. Their sum T is that of n independent
// exponentials, whatever is inside (Rényi 1953, doi:10.1007/BF02127580).
//
// So of the a − 1 inner points, (a − 1)·(1 + log(r_a/d)/T)^−n are expected within d. This includes the uncertainty of
// T: it is the mean of exp(−m·log(r_a/d)) over what T says of m.
type surroundings struct {
	inner, outer int       // a and n
	radius       []float64 // r_a of each row
	spread       []float64 // T of each row, after the shrinkage
	typical      float64   // the median T
	dimension    float64   // the median dimension, before the shrinkage
	shrinkage    float64
}

// leastShrinkage bounds the shrinkage. It matters where the space is not bent, but samples with many copies are the
// rule.
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
	// Estimate the dimension near a sample, and the one farther out. In a curved space the nearer one is lower, and so
	// is the dimension to expect of copies. Copies themselves must not count here. So the innermost ranks are left out,
	// half as many as may be copies. The median over all rows keeps out the rest.
	low, middle := max(1, s.inner/2), s.inner+s.inner/2
	var nearer, farther []float64
	for i := range n {
		distances := near.Distance[i*k : (i+1)*k]
		s.radius[i] = distances[s.inner-1]
		// A space can't have more dimensions than the vectors. Rounding errors of equal distances would make it look as
		// if it had more.
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

// spread is T over the ranks from `from` to `to`, counted from 1. It is the sum of log(r_to/r) over all points within
// r_to. Points within r_from are taken as if they were at r_from.
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

// dimension is the one that a median spread over n spacings tells. The median of a sum of n exponentials is nearly (n −
// 1/3)/m.
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
		return math.Inf(1) // nothing tells, or a crowd is on one spot
	}
	beyond, n := math.Log(s.radius[i]/d), float64(s.outer)
	if beyond < 0 { // farther than rank a: there the typical growth will do
		return float64(s.inner-1) * math.Exp(-beyond*n/s.spread[i])
	}
	return float64(s.inner-1) * math.Exp(-n*math.Log1p(beyond/s.spread[i]))
}

// leastDistance is that of pairs which chance does not bring at all: 0 says that nothing was found.
const leastDistance = 1e-300

// relative returns the distance within which a typical row of radius 1 would have this many chance neighbors. It orders
// pairs as their chance does, in numbers that one can look at.
func (s *surroundings) relative(chance float64) float64 {
	if s.outer < 1 { // there is no typical row
		return chance / maxChance
	}
	ratio := float64(s.inner-1) / chance
	if ratio < 1 {
		return math.Exp(-math.Log(ratio) * s.typical / float64(s.outer))
	}
	return max(leastDistance, math.Exp(-s.typical*(math.Pow(ratio, 1/float64(s.outer))-1)))
}

// candidates are the pairs of neighbors that are nearer than chance would bring them, or not much farther, by rows. The
// chance of a pair is the geometric mean of what its two sides say.
//
// A group may have more copies than the inner neighbors hold. Then nothing in it is nearer than what is around it, but
// an inspection can tell. So with an inspection, a row without any candidate gives its inner neighbors as candidates.
// They get the most chance that a candidate may have. So do all pairs where the rows are too few to tell anything.
func (s *surroundings) candidates(near neighbors.Result, compared pairing, firsts []int, inspected bool) []Link {
	var found []Link
	add := func(row, at int, chance float64) {
		i, j := row, int(near.Index[row*near.K+at])
		if compared.compares(i, j) {
			found = append(found, Link{A: firsts[min(i, j)], B: firsts[max(i, j)], Distance: near.Distance[row*near.K+at], Chance: chance, Weight: 1})
		}
	}
	rows := len(near.Distance) / max(near.K, 1)
	reach := s.inner - 1
	if s.outer < 1 && rows == near.K+1 {
		reach = near.K
	}
	for row := range rows {
		alone := true
		for at, d := range near.Distance[row*near.K : (row+1)*near.K] {
			if chance := math.Sqrt(s.chance(row, d)) * math.Sqrt(s.chance(int(near.Index[row*near.K+at]), d)); chance < maxChance {
				add(row, at, chance)
				alone = false
			}
		}
		for at := 0; inspected && alone && at < reach; at++ {
			add(row, at, maxChance)
		}
	}
	slices.SortFunc(found, byRows)
	return slices.Compact(found)
}
