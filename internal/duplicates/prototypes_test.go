package duplicates

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// slowMinimax joins, again and again, the two clusters whose union has the smallest radius, up to a limit. A radius is
// that of the best prototype, and the largest distance from it to another member. Where two unions have the same
// radius, either may come first, and the result is one of several.
func slowMinimax(n int, distance func(a, b int) float64, limit float64) (_ [][]int, several bool) {
	var clusters [][]int
	for i := range n {
		clusters = append(clusters, []int{i})
	}
	radius := func(rows []int) float64 {
		best := math.Inf(1)
		for _, prototype := range rows {
			farthest := 0.0
			for _, row := range rows {
				if row != prototype {
					farthest = max(farthest, distance(prototype, row))
				}
			}
			best = min(best, farthest)
		}
		return best
	}
	for {
		least, first, second, tie := math.Inf(1), 0, 0, false
		for a := range clusters {
			for b := range a {
				r := radius(slices.Concat(clusters[a], clusters[b]))
				tie = r == least || r > least && tie
				if r < least {
					least, first, second = r, a, b
				}
			}
		}
		if least > limit {
			break
		}
		several = several || tie
		clusters[second] = append(clusters[second], clusters[first]...)
		clusters = slices.Delete(clusters, first, first+1)
	}
	for _, rows := range clusters {
		slices.Sort(rows)
	}
	slices.SortFunc(clusters, func(a, b []int) int { return a[0] - b[0] })
	return clusters, several
}

func TestPrototypesAgainstMinimax(t *testing.T) {
	compared := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		n := 2 + random.IntN(14)
		often := random.Float64()
		distances := map[[2]int]float64{}
		var links []Link
		for a := range n {
			for b := range a {
				d := math.Inf(1)
				if random.Float64() < often {
					d = random.Float64()
					links = append(links, Link{A: b, B: a, Distance: d})
				}
				distances[[2]int{a, b}], distances[[2]int{b, a}] = d, d
			}
		}
		slices.SortFunc(links, byDistance)
		p, said := newPrototypes(n), newUnion(n)
		for i, l := range links {
			for _, pair := range p.link(l.A, l.B) {
				if !said.join(pair[0], pair[1]) {
					t.Fatalf("seed %d: link %d joins %v, which were", seed, i, pair)
				}
			}
			if diff := cmp.Diff(partition(n, p.sets), partition(n, said)); diff != "" {
				t.Fatalf("seed %d: link %d doesn't say what it joined: %s", seed, i, diff)
			}
			if i%5 > 0 && i < len(links)-1 {
				continue
			}
			want, several := slowMinimax(n, func(a, b int) float64 { return distances[[2]int{a, b}] }, l.Distance)
			if several {
				break
			}
			compared++
			if diff := cmp.Diff(want, partition(n, p.sets)); diff != "" {
				t.Fatalf("seed %d, up to link %d (-want +got):\n%s", seed, i, diff)
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d were compared", compared)
	}
}

func partition(n int, sets union) [][]int {
	at := map[int]int{}
	var out [][]int
	for i := range n {
		root := sets.find(i)
		if _, known := at[root]; !known {
			at[root] = len(out)
			out = append(out, nil)
		}
		out[at[root]] = append(out[at[root]], i)
	}
	return out
}

// Every linked row is in a cluster, and in each cluster the medoid is linked to, or a copy of, every other member.
// Whatever crosses from one to another still counts as a leak, and stays together in a new split.
func TestClustersHaveMedoids(t *testing.T) {
	crossing := 0
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 2))
		g := newTangle(random, seed%2 == 1)
		r := g.result(random, 50)
		leaks := r.Leakage
		r.cluster(make([]float64, len(r.Samples)), 1, Options{Local: &Local{}, MaxClusterSize: 50})
		r.LabelConflicts, r.Leakage = 0, nil
		r.assess()

		linked := map[[2]int]bool{}
		for _, l := range r.Links {
			linked[[2]int{l.A, l.B}], linked[[2]int{l.B, l.A}] = true, true
			if r.ClusterOf[l.A] < 0 || r.ClusterOf[l.B] < 0 {
				t.Fatalf("seed %d: an end of %+v is in no cluster", seed, l)
			}
			if r.ClusterOf[l.A] != r.ClusterOf[l.B] {
				crossing++
			}
		}
		first := func(row int) int { return r.Copies(row)[0] }
		size := len(g.values)
		for _, c := range r.Clusters {
			for _, m := range c.Members {
				if a, b := first(c.Medoid), first(m.Row); a != b && !linked[[2]int{a, b}] {
					t.Fatalf("seed %d: %d of cluster %v is not a neighbor of its medoid %d", seed, m.Row, c.Rows(), c.Medoid)
				}
			}
			size -= len(c.Members) - 1
		}
		if r.Known == nil && r.Total.EffectiveSize != size {
			t.Fatalf("seed %d: the effective size is %d, by its clusters %d", seed, r.Total.EffectiveSize, size)
		}
		if (leaks == nil) != (r.Leakage == nil) || leaks != nil && leaks.Samples != r.Leakage.Samples {
			t.Fatalf("seed %d: leakage is %+v, with clusters that are chains %+v", seed, r.Leakage, leaks)
		}
		groups := r.Inseparable()
		for _, l := range r.Links {
			if groups[l.A] != groups[l.B] {
				t.Fatalf("seed %d: a new split may separate %+v", seed, l)
			}
		}
	}
	if crossing == 0 {
		t.Error("no link ever crosses from one cluster to another")
	}
}
