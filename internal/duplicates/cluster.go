package duplicates

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/mat"
)

// maxPairwise is the largest cluster whose medoid and diameter come from a comparison of all its pairs.
const maxPairwise = 2048

// A Cluster is a connected component of links and copies, with at least two members. With method Local, it is a part of
// one, and its medoid is linked to, or a copy of, every member. Its distances are those of the scaled components, even
// where Cosine chose the links.
type Cluster struct {
	// ID is the smallest position in the dataset's order among the members.
	ID int
	// Members are in the order of their first principal component if there are more than two, and otherwise by row.
	Members []Member
	// Mean and Std (population) are of the members' distances to their centroid.
	Mean, Std float64
	// Diameter is the largest distance between two members. Above 2048 members it is an upper bound: twice the radius.
	Diameter float64
	// MaxLink is the longest link, measured as the threshold is.
	MaxLink float64
	// Medoid is the row with the smallest sum of distances to the others, and the smallest index among equals. Above
	// 2048 members it is the row nearest to the centroid. With method Local, it is the first in this order among the
	// rows that are linked to all others.
	Medoid int
	// Oversized says that the cluster has more than MaxClusterSize members.
	Oversized bool
	// Leaks says that an evaluation sample in it is a copy of, or linked to, a sample outside the evaluation splits.
	Leaks bool
	// Conflicts counts the pairs of copies or linked samples in it that have disjoint labels. A link between two
	// clusters counts for both.
	Conflicts int
}

// A Member is a row in a cluster.
type Member struct {
	Row int
	// Distance is to the cluster's centroid, ToMedoid to its medoid.
	Distance, ToMedoid float64
	// X and Y are the first two principal components within the cluster, if it has more than two members.
	X, Y float64
	// Leaks says that this evaluation sample is a copy of, or linked to, a sample outside the evaluation splits.
	Leaks bool
}

// Rows returns the rows of the members in their order.
func (c Cluster) Rows() []int {
	rows := make([]int, len(c.Members))
	for i, m := range c.Members {
		rows[i] = m.Row
	}
	return rows
}

// cluster makes the clusters out of links and copies. It takes the vectors of the groups of copies.
func (r *Result) cluster(vectors []float64, components int, o Options) {
	sets := newUnion(len(r.Samples))
	if o.Local != nil {
		sets = r.prototyped()
	} else {
		for _, l := range r.Links {
			sets.join(l.A, l.B)
		}
	}
	r.copies.join(func(i, j int) { sets.join(i, j) })
	members := map[int][]int{}
	for row := range r.Samples {
		if root := sets.find(row); root != row {
			if members[root] == nil {
				members[root] = []int{root}
			}
			members[root] = append(members[root], row)
		}
	}
	longest := map[int]float64{}
	links := map[int]int{} // of a row, within its cluster
	for _, l := range r.Links {
		if root := sets.find(l.A); root == sets.find(l.B) {
			longest[root] = max(longest[root], l.Distance)
			links[l.A]++
			links[l.B]++
		}
	}
	// central says which rows of a cluster may be its medoid.
	central := func(rows []int) func(row int) bool {
		if o.Local == nil {
			return func(int) bool { return true }
		}
		first := func(row int) int { return r.copies.firsts[r.copies.group[row]] }
		distinct := 0
		for _, row := range rows {
			if first(row) == row {
				distinct++
			}
		}
		return func(row int) bool { return links[first(row)] == distinct-1 }
	}

	vector := func(row int) []float64 {
		group := r.copies.group[row]
		return vectors[group*components : (group+1)*components]
	}
	roots := make([]int, 0, len(members))
	for root := range members {
		roots = append(roots, root)
	}
	slices.Sort(roots)
	r.Clusters = make([]Cluster, len(roots))
	var group errgroup.Group
	group.SetLimit(max(o.Threads, 1))
	for i, root := range roots {
		group.Go(func() error {
			c := measure(members[root], vector, central(members[root]))
			c.ID = r.Samples[root].Index
			c.MaxLink = longest[root]
			c.Oversized = len(c.Members) > o.MaxClusterSize
			r.Clusters[i] = c
			return nil
		})
	}
	_ = group.Wait() // nothing fails
	slices.SortStableFunc(r.Clusters, func(a, b Cluster) int { return cmp.Compare(a.Mean, b.Mean) })
	r.ClusterOf = make([]int, len(r.Samples))
	for row := range r.ClusterOf {
		r.ClusterOf[row] = -1
	}
	for i, c := range r.Clusters {
		for _, m := range c.Members {
			r.ClusterOf[m.Row] = i
		}
	}
}

// measure computes a cluster's statistics from the vectors of its rows. The function central says which of them may be the
// medoid.
func measure(rows []int, vector func(row int) []float64, central func(row int) bool) Cluster {
	row := func(i int) []float64 { return vector(rows[i]) }
	n := len(rows)
	// The centroid is summed from the first member, so that copies of one vector are at distance 0 from their centroid.
	first := row(0)
	centroid := slices.Clone(first)
	for i := range rows {
		for c, x := range row(i) {
			centroid[c] += (x - first[c]) / float64(n)
		}
	}
	c := Cluster{Members: make([]Member, n)}
	for i := range rows {
		d := distance(row(i), centroid)
		c.Members[i] = Member{Row: rows[i], Distance: d}
		c.Mean += d / float64(n)
	}
	for _, m := range c.Members {
		c.Std += (m.Distance - c.Mean) * (m.Distance - c.Mean) / float64(n)
	}
	c.Std = math.Sqrt(c.Std)
	sums := make([]float64, n)
	if n <= maxPairwise {
		c.Diameter = pairwise(sums, row)
	} else {
		for i, m := range c.Members {
			sums[i] = m.Distance
			c.Diameter = max(c.Diameter, 2*m.Distance)
		}
	}
	c.Medoid = -1
	for i, sum := range sums {
		if central(rows[i]) && (c.Medoid < 0 || sum < sums[c.Medoid]) {
			c.Medoid = i
		}
	}
	for i := range rows {
		c.Members[i].ToMedoid = distance(row(i), row(c.Medoid))
	}
	c.Medoid = rows[c.Medoid]
	if n > 2 {
		project(&c, row, centroid)
	}
	return c
}

// pairwise adds to sums the distances of each row to the others. It returns the largest distance.
func pairwise(sums []float64, row func(int) []float64) (diameter float64) {
	for i := range sums {
		for j := range i {
			d := distance(row(i), row(j))
			sums[i] += d
			sums[j] += d
			diameter = max(diameter, d)
		}
	}
	return diameter
}

func distance(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

// project gives the members their first two principal components and sorts them by the first.
func project(c *Cluster, row func(int) []float64, centroid []float64) {
	first, second := scores(len(c.Members), row, centroid)
	for i := range c.Members {
		c.Members[i].X, c.Members[i].Y = first[i], second[i]
	}
	slices.SortStableFunc(c.Members, func(a, b Member) int { return cmp.Compare(a.X, b.X) })
}

// scores returns the first two principal components of n centered rows. It never squares the larger side. Of n×C
// numbers, it decomposes the n×n products or the C×C covariance. The largest score of each component is positive.
func scores(n int, row func(int) []float64, centroid []float64) (first, second []float64) {
	columns := len(centroid)
	x := mat.NewDense(n, max(columns, 1), nil)
	for i := range n {
		for c, v := range row(i) {
			x.Set(i, c, v-centroid[c])
		}
	}
	var products mat.SymDense
	byRows := n <= columns
	if byRows {
		products.SymOuterK(1, x)
	} else {
		products.SymOuterK(1, x.T())
	}
	var eigen mat.EigenSym
	out := [2][]float64{make([]float64, n), make([]float64, n)}
	if !eigen.Factorize(&products, true) { // never fails for finite numbers; if it does, members keep their order
		return out[0], out[1]
	}
	values := eigen.Values(nil)
	var basis mat.Dense
	eigen.VectorsTo(&basis)
	for k := range min(2, len(values)) {
		at := len(values) - 1 - k
		column := basis.ColView(at)
		if byRows {
			for i := range n {
				out[k][i] = column.AtVec(i) * math.Sqrt(max(values[at], 0))
			}
		} else {
			mat.NewVecDense(n, out[k]).MulVec(x, column)
		}
		largest := 0.0
		for _, s := range out[k] {
			if math.Abs(s) > math.Abs(largest) {
				largest = s
			}
		}
		if largest < 0 {
			for i := range out[k] {
				out[k][i] = -out[k][i]
			}
		}
	}
	return out[0], out[1]
}
