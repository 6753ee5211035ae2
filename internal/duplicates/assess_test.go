package duplicates

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Each split and class alone against its definition: the rows of the part, and of their pairs those that are
// duplicates.
func TestSharesAgainstDefinition(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 27))
		r := newTangle(random, seed%2 == 0).result(random, 50)
		audited := r.Samples[:r.Audited()]
		splits, labels := map[string][]int{}, map[string][]int{}
		everything, split, labeled := []int(nil), false, false
		for row, s := range audited {
			everything = append(everything, row)
			splits[s.Split] = append(splits[s.Split], row)
			split, labeled = split || s.Split != "", labeled || len(s.Labels) > 0
			for _, label := range s.Labels {
				labels[label] = append(labels[label], row)
			}
			if len(s.Labels) == 0 {
				labels[""] = append(labels[""], row)
			}
		}
		if !split {
			splits = nil
		}
		if !labeled {
			labels = nil
		}
		type division struct {
			parts  map[string][]int
			shares []Share
		}
		divisions := map[string]division{"splits": {splits, r.Splits}, "labels": {labels, r.Labels}}
		if r.Known == nil { // with a baseline: see TestKnownAgainstDefinition
			divisions["total"] = division{map[string][]int{"": everything}, []Share{r.Total}}
		}
		for name, test := range divisions {
			var want []Share
			for _, part := range slices.Sorted(maps.Keys(test.parts)) {
				want = append(want, shareOf(r, part, test.parts[part]))
			}
			if diff := gocmp.Diff(want, test.shares, cmpopts.EquateApprox(0, 1e-9), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, %s (-want +got):\n%s", seed, name, diff)
			}
		}
	}
}

// shareOf looks at some rows as if there were no others.
func shareOf(r *Result, name string, rows []int) Share {
	near := duplicate(r)
	s := Share{Name: name, Samples: len(rows)}
	reached := map[int]bool{}
	for _, row := range rows {
		degree := 0
		for _, other := range rows {
			if row != other && near(row, other) {
				degree++
			}
		}
		if degree > 0 {
			s.DuplicateSamples++
		}
		s.WeightedSize += 1 / float64(1+degree)
		if reached[row] {
			continue
		}
		s.EffectiveSize++ // the first of its component stands for it
		maps.Copy(reached, component(row, rows, near))
	}
	return s
}

// component is what is reached from a row over any number of rows that are near each other.
func component(start int, rows []int, near func(a, b int) bool) map[int]bool {
	reached := map[int]bool{start: true}
	for ahead := []int{start}; len(ahead) > 0; ahead = ahead[1:] {
		for _, other := range rows {
			if !reached[other] && near(ahead[0], other) {
				reached[other], ahead = true, append(ahead, other)
			}
		}
	}
	return reached
}

// Leaks and conflicts of labels, pair by pair; samples of a baseline take part in both.
func TestPairsAgainstDefinition(t *testing.T) {
	leaks := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 28))
		r := newTangle(random, seed%2 == 0).result(random, 50)
		near := duplicate(r)
		held := func(row int) bool { return r.Samples[row].Split == "test" || r.Samples[row].Split == "val" }
		conflicts, evaluated := 0, 0
		inCluster := make([]int, len(r.Clusters))
		want := &Leakage{}
		pairs, leaking := map[LeakagePair]int{}, map[int]bool{}
		for row, s := range r.Samples {
			from := map[string]bool{}
			exact, chained := false, false
			for other, o := range r.Samples {
				if other < row && near(row, other) && len(s.Labels) > 0 && len(o.Labels) > 0 && !sharesLabel(s, o) {
					conflicts++
					inCluster[r.ClusterOf[row]]++
				}
				if !held(row) || held(other) {
					continue
				}
				chained = chained || r.ClusterOf[row] >= 0 && r.ClusterOf[row] == r.ClusterOf[other]
				// Verdicts keep apart what has one vector, but never make of that no leak.
				groups := [2]int{r.copies.group[min(row, other)], r.copies.group[max(row, other)]}
				same := groups[0] == groups[1] || slices.Contains(r.copies.parted, groups) || slices.Contains(r.copies.parted, [2]int{groups[1], groups[0]})
				if near(row, other) || same {
					from[o.Split] = true
					exact = exact || same
				}
			}
			if held(row) {
				evaluated++
			}
			for split := range from {
				pairs[LeakagePair{From: split, To: s.Split}]++
			}
			switch {
			case len(from) > 0:
				want.Samples++
				leaking[row] = true
			case chained:
				want.ChainedOnly++
			}
			if exact {
				want.ExactCopies++
			}
		}
		for pair, n := range pairs {
			pair.Samples = n
			want.Pairs = append(want.Pairs, pair)
		}
		slices.SortFunc(want.Pairs, func(x, y LeakagePair) int { return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To)) })
		for i, c := range r.Clusters {
			leaks := slices.ContainsFunc(c.Rows(), func(row int) bool { return leaking[row] })
			if leaks {
				want.Clusters++
			}
			if c.Leaks != leaks || c.Conflicts != inCluster[i] {
				t.Fatalf("seed %d: cluster %v leaks: %t, has %d conflicts, want %t and %d", seed, c.Rows(), c.Leaks, c.Conflicts, leaks, inCluster[i])
			}
			for _, m := range c.Members {
				if m.Leaks != leaking[m.Row] {
					t.Fatalf("seed %d: row %d leaks: %t", seed, m.Row, m.Leaks)
				}
			}
		}
		leaks += want.Samples
		if evaluated == 0 || evaluated == len(r.Samples) {
			want = nil
		}
		if diff := gocmp.Diff(want, r.Leakage, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: leakage (-want +got):\n%s", seed, diff)
		}
		if r.LabelConflicts != conflicts {
			t.Fatalf("seed %d: %d conflicts of labels, want %d", seed, r.LabelConflicts, conflicts)
		}
	}
	if leaks < 100 {
		t.Errorf("only %d samples leak", leaks)
	}
}

func sharesLabel(a, b Sample) bool {
	return slices.ContainsFunc(a.Labels, func(label string) bool { return slices.Contains(b.Labels, label) })
}

// Overlaps of parts that are any subsets at all, a baseline one of them, as the report's tables ask for them.
func TestOverlapsOfAnyParts(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 29))
		r := newTangle(random, seed%2 == 0).result(random, 50)
		near := duplicate(r)
		in := make([][]string, len(r.Samples))
		for row := range in {
			for _, name := range []string{"p", "q", "r", "s"} {
				if random.IntN(3) == 0 {
					in[row] = append(in[row], name)
				}
			}
			if r.Samples[row].Baseline {
				in[row] = []string{"known"}
			}
		}
		want := map[[2]string]int{}
		for _, from := range []string{"p", "q", "r", "s", "known"} {
			for _, to := range []string{"p", "q", "r", "s", "known"} {
				for row := range in {
					meets := false
					for other := range in {
						meets = meets || row != other && near(row, other) && slices.Contains(in[other], to)
					}
					if meets && slices.Contains(in[row], from) {
						want[[2]string{from, to}]++
					}
				}
			}
		}
		got := r.Overlaps(func(s Sample) []string { return in[s.Index] })
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}
