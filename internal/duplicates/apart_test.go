package duplicates

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// scattered are samples on a line of whole numbers, of which many distances are equal and some rows identical.
func scattered(random *rand.Rand) []on {
	line := make([]on, 4+random.IntN(30))
	for i := range line {
		line[i].at = float64(1 + random.IntN(60))
	}
	return line
}

// judgements are sets of rows that are said to be no copies of each other.
func judgements(random *rand.Rand, n int) [][]int {
	sets := make([][]int, random.IntN(4))
	for i := range sets {
		sets[i] = random.Perm(n)[:2+random.IntN(min(3, n-1))]
	}
	return sets
}

// judged says whether two rows are in one of the sets.
func judged(sets [][]int, a, b int) bool {
	return a != b && slices.ContainsFunc(sets, func(rows []int) bool { return slices.Contains(rows, a) && slices.Contains(rows, b) })
}

func separate(sets ...[]int) func(*Options) { return func(o *Options) { o.Apart = sets } }

// What is judged apart stays apart, and nothing else does: against joining the closest first, set by set.
func TestApartAgainstDefinition(t *testing.T) {
	broken := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 8))
		line := scattered(random)
		sets := judgements(random, len(line))
		free, got := find(t, 2, line), find(t, 2, line, separate(sets...))
		var want [][]int
		if len(sets) == 0 {
			for _, c := range free.Clusters {
				want = append(want, slices.Sorted(slices.Values(c.Rows())))
			}
		} else {
			want = joined(len(line), got, everyLink(t, line, sets), sets)
			if len(want) > 0 && len(got.Links) < len(free.Links) {
				broken++
			}
		}
		var clusters [][]int
		for _, c := range got.Clusters {
			rows := slices.Sorted(slices.Values(c.Rows()))
			clusters = append(clusters, rows)
			for i, a := range rows {
				for _, b := range rows[i+1:] {
					if judged(sets, a, b) {
						t.Fatalf("seed %d: rows %d and %d are judged apart and share a cluster", seed, a, b)
					}
				}
			}
		}
		byFirst := cmpopts.SortSlices(func(a, b []int) bool { return a[0] < b[0] })
		if diff := gocmp.Diff(want, clusters, byFirst, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, apart %v (-want +got):\n%s", seed, sets, diff)
		}
		slices.Reverse(sets)
		for _, rows := range sets {
			slices.Reverse(rows)
		}
		again := find(t, 2, line, separate(sets...))
		if diff := gocmp.Diff(got, again, gocmp.AllowUnexported(Result{}, copies{})); diff != "" {
			t.Fatalf("seed %d: the order of the verdicts matters (-first +second):\n%s", seed, diff)
		}
	}
	if broken < 20 {
		t.Errorf("only %d of the datasets lost a link", broken)
	}
}

// everyLink are the links before any is left out: rows within 2 of each other, one for each two groups of copies. On
// this line no row has more neighbors than are looked at.
func everyLink(t *testing.T, line []on, sets [][]int) []Link {
	t.Helper()
	r := find(t, 2, line, separate(sets...))
	var all []Link
	for i, a := range r.copies.firsts {
		for _, b := range r.copies.firsts[i+1:] {
			if d := math.Abs(line[a].at/r.Norms[0] - line[b].at/r.Norms[0]); d <= r.Threshold.Distance {
				all = append(all, Link{A: a, B: b, Distance: d})
			}
		}
	}
	return all
}

// joined makes clusters of two or more by joining the ends of the closest link first, unless that brings judged rows
// together.
func joined(n int, r *Result, links []Link, verdicts [][]int) (clusters [][]int) {
	sets := make([][]int, n)
	for i := range n {
		if copies := r.Copies(i); copies[0] == i {
			sets[i] = slices.Clone(copies)
		}
	}
	holding := func(row int) int {
		return slices.IndexFunc(sets, func(rows []int) bool { return slices.Contains(rows, row) })
	}
	slices.SortFunc(links, func(x, y Link) int {
		return cmp.Or(cmp.Compare(x.Distance, y.Distance), x.A-y.A, x.B-y.B)
	})
	for _, l := range links {
		a, b := holding(l.A), holding(l.B)
		apart := slices.ContainsFunc(sets[a], func(i int) bool {
			return slices.ContainsFunc(sets[b], func(j int) bool { return judged(verdicts, i, j) })
		})
		if a != b && !apart {
			sets[a], sets[b] = append(sets[a], sets[b]...), nil
		}
	}
	for _, rows := range sets {
		if len(rows) > 1 {
			clusters = append(clusters, slices.Sorted(slices.Values(rows)))
		}
	}
	return clusters
}

func TestApart(t *testing.T) {
	chain := []on{{at: 10}, {at: 10.4}, {at: 11}, {at: 11.3}}
	for name, test := range map[string]struct {
		line  []on
		apart [][]int
		want  []string
	}{
		"without verdicts":        {line: chain, want: []string{"[0 1 2 3]"}},
		"the longest link breaks": {line: chain, apart: [][]int{{0, 3}}, want: []string{"[2 3]", "[0 1]"}},
		"the link itself":         {line: chain, apart: [][]int{{2, 3}}, want: []string{"[0 1 2]"}},
		"all of them":             {line: chain, apart: [][]int{{0, 1, 2, 3}}},
		"copies":                  {line: []on{{at: 10}, {at: 10}, {at: 10}}, apart: [][]int{{0, 1}}, want: []string{"[1 2]"}},
		"copies through another":  {line: []on{{at: 10}, {at: 10}, {at: 10.5}}, apart: [][]int{{0, 1}}, want: []string{"[0 2]"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range find(t, 1, test.line, separate(test.apart...)).Clusters {
				got = append(got, fmt.Sprint(slices.Sorted(slices.Values(c.Rows()))))
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Near misses against all pairs beyond the threshold.
func TestNearMisses(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 9))
		line := scattered(random)
		sets := judgements(random, len(line))
		limit := 1 + random.IntN(12)
		all := func(o *Options) { o.Neighbors = len(line) + 1 } // every distinct vector is a neighbor
		r := find(t, 2, line, separate(sets...), all, func(o *Options) { o.NearMisses = limit })
		unit := r.Threshold.Distance / 2
		var want []Link
		for i, a := range r.copies.firsts {
			for _, b := range r.copies.firsts[i+1:] {
				if d := max(line[a].at, line[b].at) - min(line[a].at, line[b].at); d > 2 && !judged(sets, a, b) {
					want = append(want, Link{A: a, B: b, Distance: d * unit})
				}
			}
		}
		slices.SortStableFunc(want, func(x, y Link) int { return int(x.Distance/unit+.5) - int(y.Distance/unit+.5) })
		if len(want) > limit { // which of those at the last distance stay, rounding decides
			want = want[:limit]
		}
		if len(r.NearMisses) != len(want) {
			t.Fatalf("seed %d: %d near misses, want %d", seed, len(r.NearMisses), len(want))
		}
		for i, l := range r.NearMisses {
			at := max(line[l.A].at, line[l.B].at) - min(line[l.A].at, line[l.B].at)
			if d := l.Distance - want[i].Distance; d > 1e-6 || d < -1e-6 || at <= 2 || l.A >= l.B {
				t.Fatalf("seed %d, near miss %d is %+v, want one at %g", seed, i, l, want[i].Distance)
			}
			if i > 0 && (l == r.NearMisses[i-1] || l.Distance < r.NearMisses[i-1].Distance) {
				t.Fatalf("seed %d: near miss %d is %+v after %+v", seed, i, l, r.NearMisses[i-1])
			}
		}
	}
}

// A set in which rows judged apart came together all the same is not kept from itself, whatever joins it.
func TestConstrainedJoins(t *testing.T) {
	for range 100 { // maps have no order
		p := newConstrained(10, newApart([][]int{{5, 7}, {7, 9}}, never))
		p.join(5, 7)
		p.join(3, 5)
		if p.judged(3, 7) || !p.judged(3, 9) || !p.judged(9, 7) || p.judged(3, 8) {
			t.Fatalf("3 and 7: %t, 3 and 9: %t, 9 and 7: %t, 3 and 8: %t", p.judged(3, 7), p.judged(3, 9), p.judged(9, 7), p.judged(3, 8))
		}
		p.join(9, 8)
		if !p.judged(8, 3) {
			t.Fatal("8, joined to 9, may join 3")
		}
	}
}
