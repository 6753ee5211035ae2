package duplicates

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// mixed are scattered samples with splits and up to three labels.
func mixed(random *rand.Rand) []on {
	line := scattered(random)
	for i := range line {
		line[i].split = []string{"train", "test", "val"}[random.IntN(3)]
		line[i].labels = []string{"a", "b", "c"}[random.IntN(4):3:3]
	}
	return line
}

// duplicate says whether two rows are copies or linked.
func duplicate(r *Result) func(a, b int) bool {
	return func(a, b int) bool {
		a, b = r.Copies(a)[0], r.Copies(b)[0]
		return a == b || slices.ContainsFunc(r.Links, func(l Link) bool { return l.A == min(a, b) && l.B == max(a, b) })
	}
}

// Overlaps against their definition: each sample with each other one.
func TestOverlapsAgainstDefinition(t *testing.T) {
	parts := map[string]func(Sample) []string{
		"splits": func(s Sample) []string { return []string{s.Split} },
		"labels": func(s Sample) []string { return s.Labels },
	}
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 10))
		line := mixed(random)
		r := find(t, 1, line, separate(judgements(random, len(line))...))
		near := duplicate(r)
		for name, partsOf := range parts {
			want := map[[2]string]int{}
			for row, s := range r.Samples {
				met := map[string]bool{}
				for other, o := range r.Samples {
					if other != row && near(row, other) {
						for _, part := range partsOf(o) {
							met[part] = true
						}
					}
				}
				for _, own := range partsOf(s) {
					for part := range met {
						want[[2]string{own, part}]++
					}
				}
			}
			if diff := cmp.Diff(want, r.Overlaps(partsOf), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, %s (-want +got):\n%s", seed, name, diff)
			}
		}
	}
}

// What the last rows, a baseline's, mean for the figures: against each sample with each other one.
func TestKnownAgainstDefinition(t *testing.T) {
	seen := 0
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 11))
		line := mixed(random)
		audited := 1 + random.IntN(len(line)-1)
		r := against(t, 1, line, audited)
		near := duplicate(r)
		want := Known{Baseline: len(line) - audited}
		total := Share{Samples: audited}
		for row := range audited {
			links, known, exact := 0, false, false
			for other := range r.Samples {
				if other == row || !near(row, other) {
					continue
				}
				links++
				known = known || other >= audited
				exact = exact || other >= audited && r.Copies(row)[0] == r.Copies(other)[0]
			}
			if known {
				want.Samples++
			}
			if exact {
				want.ExactCopies++
			}
			total.WeightedSize += 1 / float64(1+links)
			if r.ClusterOf[row] < 0 {
				total.EffectiveSize++
			} else {
				total.DuplicateSamples++
			}
		}
		for _, c := range r.Clusters {
			if slices.Max(c.Rows()) < audited {
				total.EffectiveSize++ // one of it counts; else the baseline has it already
			}
		}
		if diff := cmp.Diff(&want, r.Known); diff != "" {
			t.Fatalf("seed %d: known (-want +got):\n%s", seed, diff)
		}
		if diff := cmp.Diff(total, r.Total, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Fatalf("seed %d: total (-want +got):\n%s", seed, diff)
		}
		onlyOld(t, r)
		for _, removal := range r.Removals(Rule{}) {
			if removal.Row >= audited {
				t.Fatalf("seed %d: a sample of the baseline is to go", seed)
			}
			if c := r.Clusters[r.ClusterOf[removal.Row]]; slices.Max(c.Rows()) >= audited && removal.Keeper < audited {
				t.Fatalf("seed %d: row %d stays although the baseline has it", seed, removal.Keeper)
			}
		}
		seen += want.ExactCopies
	}
	if seen == 0 {
		t.Error("no seed has a copy of a baseline's sample")
	}
}

// against finds with the last rows as a baseline, whose norms are frozen.
func against(t *testing.T, gap float64, line []on, audited int) *Result {
	t.Helper()
	samples, vectors := make([]Sample, len(line)), make([]float64, len(line))
	for i, s := range line {
		samples[i] = Sample{Index: i, ID: fmt.Sprint(i), Split: s.split, Labels: s.labels, Baseline: i >= audited}
		vectors[i] = s.at
	}
	norms := columnNorms(vectors[audited:], 1)
	r, err := Find(t.Context(), samples, vectors, 1, rowsOf(vectors, 1), Options{
		Neighbors: len(line) + 1, Strategy: Frozen{Distance: (gap + 1e-9) / norms[0]}, MaxClusterSize: 50, Threads: 1, Norms: norms, NearMisses: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Scale != len(line)-audited {
		t.Errorf("the scale is %d, want that of the baseline's %d samples", r.Scale, len(line)-audited)
	}
	return r
}
