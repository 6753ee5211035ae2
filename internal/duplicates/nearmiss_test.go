package duplicates

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Near misses and links against a listing of all pairs, to the bit: distances are whole numbers of which many are
// equal, so that the bound on how many are held falls amid ties.
func TestNearMissesAgainstListing(t *testing.T) {
	bounded := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 25))
		n := 2 + random.IntN(40)
		between := make([][]float64, n)
		for i := range between {
			between[i] = make([]float64, n)
			for j := range i {
				between[i][j] = float64(random.IntN(8))
				between[j][i] = between[i][j]
			}
		}
		firsts := make([]int, n) // the row of each distinct vector: copies lie between them
		for i := 1; i < n; i++ {
			firsts[i] = firsts[i-1] + 1 + random.IntN(3)
		}
		rows := firsts[n-1] + 1
		sets := judgements(random, rows)
		queries, k := 1+random.IntN(n), 1+random.IntN(n-1) // the rest are a baseline's
		near, neighbor := nearest(between, queries, k)

		threshold, limit := float64(random.IntN(6)), random.IntN(20)
		var within, beyond []Link
		for i := range n {
			for j := range i {
				l := Link{A: firsts[j], B: firsts[i], Distance: between[i][j]}
				switch {
				case !neighbor[i][j] && !neighbor[j][i]:
				case l.Distance <= threshold:
					within = append(within, l)
				case !judged(sets, l.A, l.B):
					beyond = append(beyond, l)
				}
			}
		}
		slices.SortFunc(within, func(x, y Link) int { return cmp.Or(x.A-y.A, x.B-y.B) })
		slices.SortFunc(beyond, func(x, y Link) int { return cmp.Or(cmp.Compare(x.Distance, y.Distance), x.A-y.A, x.B-y.B) })
		if len(beyond) > 4*limit && limit > 0 {
			bounded++
		}
		beyond = beyond[:min(len(beyond), limit)]
		if diff := gocmp.Diff(within, links(near, firsts, threshold), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: links (-want +got):\n%s", seed, diff)
		}
		got := nearMisses(near, firsts, threshold, limit, newApart(sets, never))
		if diff := gocmp.Diff(beyond, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, limit %d, apart %v: near misses (-want +got):\n%s", seed, limit, sets, diff)
		}
	}
	if bounded < 100 {
		t.Errorf("only %d cases have more near misses than are held", bounded)
	}
}

// nearest are the k neighbors of the first rows by a table of distances, as a search gives them and as a table.
func nearest(between [][]float64, queries, k int) (neighbors.Result, [][]bool) {
	near := neighbors.Result{K: k}
	neighbor := make([][]bool, len(between))
	for i := range between {
		neighbor[i] = make([]bool, len(between))
		if i >= queries {
			continue
		}
		var others []int
		for j := range between {
			if j != i {
				others = append(others, j)
			}
		}
		slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(between[i][a], between[i][b]) })
		for _, j := range others[:k] {
			neighbor[i][j] = true
			near.Index, near.Distance = append(near.Index, int32(j)), append(near.Distance, between[i][j])
		}
	}
	return near, neighbor
}

// A pair is a link or a near miss, never both, and a larger limit only adds to the end.
func TestNearMissesBeginBeyondLinks(t *testing.T) {
	seen := 0
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 26))
		line := scattered(random)
		var before []Link
		for limit := range 12 {
			r := find(t, 2, line, func(o *Options) { o.NearMisses, o.Neighbors = limit, 4 })
			for _, l := range r.NearMisses {
				if l.Distance <= r.Threshold.Distance || slices.Contains(r.Links, l) {
					t.Fatalf("seed %d: near miss %+v is within the threshold of %g", seed, l, r.Threshold.Distance)
				}
			}
			if len(r.NearMisses) > limit || len(r.NearMisses) < len(before) || !slices.Equal(before, r.NearMisses[:len(before)]) {
				t.Fatalf("seed %d, limit %d: %v after %v", seed, limit, r.NearMisses, before)
			}
			before = r.NearMisses
		}
		seen += len(before)
	}
	if seen < 100 {
		t.Errorf("only %d near misses", seen)
	}
}
