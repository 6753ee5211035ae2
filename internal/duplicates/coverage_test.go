package duplicates

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// Coverage is what a search of all pairs says.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		n := 40 + r.IntN(60)
		at := make([]float64, n)
		res := &Result{evaluation: []string{"test"}}
		for i := range at {
			at[i] = 10 * r.Float64()
			split := "train"
			if r.IntN(4) == 0 {
				split = "test"
				at[i] *= 1.5 // some of it lies where no training sample is
			}
			if i > 0 && r.IntN(5) == 0 {
				at[i] = at[i-1]
			}
			label := []string{"a", "b", "c", "d"}[min(r.IntN(4), r.IntN(4))]
			if split == "train" && label == "c" || split == "test" && label == "d" {
				label = "a"
			}
			res.Samples = append(res.Samples, Sample{Index: i, Split: split, Labels: []string{label}})
		}
		res.copies = findCopies(n, n, func(i int) []float32 { return []float32{float32(at[i])} }, apart{})
		rows := make([]float64, len(res.copies.firsts))
		for v, first := range res.copies.firsts {
			rows[v] = float64(float32(at[first]))
		}
		x := neighbors.Matrix[float64]{Data: rows, N: len(rows), D: 1}
		// Few neighbors leave much to be searched for.
		near, err := neighbors.Search(t.Context(), x, neighbors.Options{K: 1 + r.IntN(4), To: len(rows)})
		if err != nil {
			t.Fatal(err)
		}
		res.ClusterOf = make([]int, n) // rows of one vector, and some that are near
		clusters := map[int]int{}
		for row := range n {
			key := int(at[row] * 8)
			if r.IntN(2) == 0 || clusters[key] == 0 {
				clusters[key] = len(clusters) + 1
			}
			if res.ClusterOf[row] = clusters[key]; key%3 == 0 {
				res.ClusterOf[row] = -1
			}
			if first := res.copies.firsts[res.copies.group[row]]; first != row {
				if res.ClusterOf[first] < 0 {
					res.ClusterOf[first] = 1000 + first
				}
				res.ClusterOf[row] = res.ClusterOf[first]
			}
		}
		to := func(row int, fits func(other int) bool) float64 {
			least := math.Inf(1)
			for other, s := range res.Samples {
				if other != row && s.Split == "train" && fits(other) {
					least = min(least, math.Abs(float64(float32(at[row]))-float64(float32(at[other]))))
				}
			}
			return least
		}
		far := func(row int) float64 { return to(row, func(int) bool { return true }) }
		var own []float64
		asked := map[int]bool{}
		for row, s := range res.Samples {
			cluster := res.ClusterOf[row]
			if s.Split == "train" && !asked[cluster] {
				own = append(own, to(row, func(other int) bool { return cluster < 0 || res.ClusterOf[other] != cluster }))
				asked[cluster] = cluster >= 0
			}
		}
		slices.Sort(own)
		want := Coverage{Distance: own[int(0.95*float64(len(own)))]}
		for row, s := range res.Samples {
			if s.Split == "test" {
				want.Samples++
				if far(row) <= want.Distance {
					want.Covered++
				}
			}
		}
		got, err := res.cover(t.Context(), near, x, 2)
		if err != nil {
			t.Fatal(err)
		}
		labels := got.Labels
		got.Labels = nil
		if diff := gocmp.Diff(&want, got); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
		for i, l := range labels {
			want := LabelCoverage{Label: l.Label}
			for row, s := range res.Samples {
				switch {
				case s.Labels[0] != l.Label:
				case s.Split == "train":
					want.Training++
				case far(row) <= got.Distance:
					want.Samples++
					want.Covered++
				default:
					want.Samples++
					want.Far = append(want.Far, row)
				}
			}
			atLeast := func(row int) float64 { // what is known to be too far is not searched for
				list := res.copies.group[row] * near.K
				last := near.Distance[list+near.K-1]
				for _, other := range near.Index[list : list+near.K] {
					if slices.ContainsFunc(res.Copies(res.First(int(other))), func(row int) bool { return res.Samples[row].Split == "train" }) {
						return far(row)
					}
				}
				if last > got.Distance {
					return last
				}
				return far(row)
			}
			slices.SortStableFunc(want.Far, func(a, b int) int { return cmp.Compare(atLeast(b), atLeast(a)) })
			want.Far = want.Far[:min(len(want.Far), maxFar)]
			if diff := gocmp.Diff(want, l, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("round %d: %s", round, diff)
			}
			if only := l.Training == 0; only != (l.Label == "c") || only && i > 0 {
				t.Fatalf("round %d: label %s is at %d, and has %d training samples", round, l.Label, i, l.Training)
			}
			if i > 0 && labels[i-1].Training > 0 && labels[i-1].share() > l.share() {
				t.Fatalf("round %d: %s is covered less than %s", round, l.Label, labels[i-1].Label)
			}
		}
	}
}

func TestCoverageOfOneSide(t *testing.T) {
	res := &Result{Samples: []Sample{{}, {}}, evaluation: []string{"test"}, ClusterOf: []int{-1, -1}}
	res.copies = findCopies(2, 2, func(i int) []float32 { return []float32{float32(i)} }, apart{})
	near := neighbors.Result{K: 1, Index: []int32{1, 0}, Distance: []float64{1, 1}}
	if got, err := res.cover(t.Context(), near, neighbors.Matrix[float64]{Data: []float64{0, 1}, N: 2, D: 1}, 1); got != nil || err != nil {
		t.Errorf("without an evaluation: %+v, %v", got, err)
	}
}
