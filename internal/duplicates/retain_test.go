package duplicates

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Of each cluster one sample stays: the first in the order of what the rule says, key by key.
func TestRemovalsAgainstDefinition(t *testing.T) {
	worths := map[string]func(Sample) float64{
		"none": nil, "pixels": func(s Sample) float64 { return float64(s.Pixels) }, "score": func(s Sample) float64 { return s.Score },
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 12))
		line := mixed(random)
		r := find(t, 1, line, func(o *Options) { o.MaxClusterSize = 6 })
		for i := range r.Samples {
			r.Samples[i].Pixels = int64(random.IntN(3))
			r.Samples[i].Score = []float64{math.NaN(), -1, 0, 2}[random.IntN(4)]
		}
		for name, worth := range worths {
			for _, first := range []bool{false, true} {
				rule := Rule{Evaluation: []string{"test"}, Keep: []string{"val"}, Worth: worth, First: first}
				var want []Removal
				for _, c := range r.Clusters {
					for _, rows := range keeping(r, c) {
						rows = slices.Clone(rows)
						slices.SortFunc(rows, func(a, b int) int { return staysFirst(r, c, rule, a, b) })
						for _, row := range rows[1:] {
							want = append(want, Removal{Row: row, Keeper: rows[0], Exact: r.Copies(row)[0] == r.Copies(rows[0])[0]})
						}
					}
				}
				sorted := cmpopts.SortSlices(func(a, b Removal) bool { return a.Row < b.Row })
				if diff := gocmp.Diff(want, r.Removals(rule), sorted, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("seed %d, worth %s, first %t (-want +got):\n%s", seed, name, first, diff)
				}
			}
		}
	}
}

// keeping are the sets of rows of which one stays: the cluster, or the copies in an oversized one.
func keeping(r *Result, c Cluster) [][]int {
	if !c.Oversized {
		return [][]int{c.Rows()}
	}
	var sets [][]int
	for _, m := range c.Members {
		if rows := r.Copies(m.Row); len(rows) > 1 && rows[0] == m.Row {
			sets = append(sets, rows)
		}
	}
	return sets
}

// staysFirst is negative if row a stays rather than b.
func staysFirst(r *Result, c Cluster, rule Rule, a, b int) int {
	order := []string{"test", "val", "train"}
	x, y := r.Samples[a], r.Samples[b]
	by := cmp.Compare(slices.Index(order, x.Split), slices.Index(order, y.Split))
	if rule.Worth != nil && by == 0 {
		v, w := rule.Worth(x), rule.Worth(y)
		switch {
		case math.IsNaN(v) || math.IsNaN(w):
			by = cmp.Compare(boolean(math.IsNaN(v)), boolean(math.IsNaN(w)))
		default:
			by = cmp.Compare(w, v)
		}
	}
	if by != 0 || rule.First || c.Oversized {
		return cmp.Or(by, a-b)
	}
	member := func(row int) Member {
		return c.Members[slices.IndexFunc(c.Members, func(m Member) bool { return m.Row == row })]
	}
	return cmp.Or(-cmp.Compare(boolean(a == c.Medoid), boolean(b == c.Medoid)), cmp.Compare(member(a).Distance, member(b).Distance), a-b)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ToMedoid, and the medoid itself, against all pairs.
func TestMedoidAgainstDefinition(t *testing.T) {
	for seed := range uint64(100) {
		r := find(t, 2, scattered(rand.New(rand.NewPCG(seed, 13))))
		at := func(row int) float64 { return float64(r.Plane[2*row]) }
		for _, c := range r.Clusters {
			sum := func(row int) (total float64) {
				for _, m := range c.Members {
					total += math.Abs(at(row) - at(m.Row))
				}
				return total
			}
			for _, m := range c.Members {
				if got, want := m.ToMedoid, math.Abs(at(m.Row)-at(c.Medoid)); math.Abs(got-want) > 1e-6 {
					t.Fatalf("seed %d: row %d is %g from medoid %d, want %g", seed, m.Row, got, c.Medoid, want)
				}
				if sum(m.Row) < sum(c.Medoid)-1e-5 {
					t.Fatalf("seed %d: row %d is nearer to the others than medoid %d", seed, m.Row, c.Medoid)
				}
			}
		}
	}
}
