package duplicates

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// never leaves no pair together.
func never(int, int) bool { return false }

// What verdicts withhold is what would be found without them, and nothing that shows the same in training and evaluation
// is withheld from leakage.
func TestWithheld(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 31))
		n := 4 + random.IntN(20)
		samples, values := make([]Sample, n), make(rows, n)
		pictures := random.IntN(2) == 0
		for i := range n {
			values[i] = []float32{float32(random.IntN(6)), float32(random.IntN(4))}
			samples[i] = Sample{Index: i, ID: fmt.Sprint(i), Split: []string{"train", "test"}[random.IntN(2)], Labels: []string{"a", "b"}[random.IntN(2):][:1]}
			if pictures { // of one vector there are several
				samples[i].Picture = Picture{Bytes: uint64(1 + 2*(10*int(values[i][0])+int(values[i][1])) + random.IntN(2))}
			}
		}
		var sets [][]int
		for range random.IntN(6) {
			sets = append(sets, random.Perm(n)[:2+random.IntN(min(3, n-2))])
		}
		find := func(sets [][]int) *Result {
			reduced := make([]float64, 0, 2*n)
			for _, row := range values {
				reduced = append(reduced, float64(row[0])+100, float64(row[1])+100) // so that the norms hardly matter
			}
			r, err := Find(t.Context(), samples, reduced, 2, values, Options{
				Neighbors: n, Strategy: Distance{Normalized: 0.05}, MaxClusterSize: 50, EvaluationSplits: []string{"test"}, Apart: sets, Threads: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		without, with := find(nil), find(sets)
		leaks := func(r *Result) int {
			if r.Leakage == nil {
				return 0
			}
			return r.Leakage.Samples
		}
		pairs := func(r *Result) (sum int) {
			r.pairs(func(a, b []int) {
				if a[0] == b[0] {
					sum += len(a) * (len(a) - 1) / 2
				} else {
					sum += len(a) * len(b)
				}
			})
			return sum
		}
		want := Withheld{
			Pairs: pairs(without) - pairs(with), Leaks: leaks(without) - leaks(with), Conflicts: without.LabelConflicts - with.LabelConflicts,
			Overruled: with.Withheld.Overruled, ExactCopies: with.Withheld.ExactCopies,
		}
		if diff := cmp.Diff(want, with.Withheld); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		if without.Leakage != nil && with.Leakage.ExactCopies != without.Leakage.ExactCopies {
			t.Fatalf("seed %d: %d exact copies leak, and %d without verdicts", seed, with.Leakage.ExactCopies, without.Leakage.ExactCopies)
		}
		if without.Withheld != (Withheld{}) {
			t.Fatalf("seed %d: without verdicts %+v", seed, without.Withheld)
		}
	}
}

// A verdict on identical samples counts, unless one is of the evaluation and the other is not.
func TestWithheldCopies(t *testing.T) {
	values := rows{{1, 1}, {1, 1}, {1, 1}, {9, 9}}
	for name, test := range map[string]struct {
		splits []string
		want   Withheld
		leaks  int
	}{
		"one side":   {[]string{"train", "train", "train", "test"}, Withheld{Pairs: 3, ExactCopies: 3}, 0},
		"both sides": {[]string{"train", "train", "test", "test"}, Withheld{Pairs: 2, ExactCopies: 1, Overruled: 2}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			samples := make([]Sample, len(values))
			for i := range samples {
				samples[i] = Sample{Index: i, ID: fmt.Sprint(i), Split: test.splits[i]}
			}
			r, err := Find(t.Context(), samples, []float64{1, 1, 1, 1, 1, 1, 9, 9}, 2, values, Options{
				Neighbors: 4, Strategy: Distance{Normalized: 1e-9}, MaxClusterSize: 50, EvaluationSplits: []string{"test"}, Apart: [][]int{{0, 1, 2}}, Threads: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Withheld.Overruled != test.want.Overruled || r.Leakage.Samples != test.leaks {
				t.Errorf("%+v, %d leaks", r.Withheld, r.Leakage.Samples)
			}
		})
	}
}
