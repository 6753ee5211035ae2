package duplicates

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// shared is a dataset and a reference on a plane. Some samples of one are those of the other, some are near, and both
// hold copies of their own.
type shared struct {
	samples []Sample
	x       []float64
	audited int
}

func share(random *rand.Rand) shared {
	const own, theirs = 60, 25
	s := shared{audited: own}
	for i := range own + theirs {
		at := [2]float64{random.Float64(), random.Float64()}
		if i > 0 && random.IntN(3) == 0 { // as another one, or beside it
			from := random.IntN(i)
			at = [2]float64{s.x[2*from], s.x[2*from+1]}
			if random.IntN(2) == 0 {
				at[0] += 0.01 * random.Float64()
			}
		}
		s.x = append(s.x, at[0], at[1])
		picture := uint64(0)
		if i%2 == 0 { // of equal vectors, not all show the same
			picture = uint64(1 + random.IntN(2))
		}
		s.samples = append(s.samples, Sample{Index: i, ID: fmt.Sprint(i), Baseline: i >= own, Picture: Picture{Bytes: picture}})
	}
	return s
}

// What Compare finds is what a comparison of all pairs across finds.
func TestCompareAgainstAllPairs(t *testing.T) {
	for seed := range uint64(200) {
		s := share(rand.New(rand.NewPCG(seed, 40)))
		n := len(s.samples)
		embeddings := rowsOf(s.x, 2)
		const threshold = 0.002
		c, err := Compare(t.Context(), s.samples, slices.Clone(s.x), 2, embeddings,
			Options{Neighbors: n, Strategy: Distance{Normalized: threshold * math.Sqrt(float64(n))}, Threads: 2, MaxClusterSize: 50})
		if err != nil {
			t.Fatal(err)
		}
		scaled := slices.Clone(s.x)
		normalize(scaled, columnNorms(s.x, 2))
		var want []Match
		found := map[int]bool{}
		for a := range s.audited {
			var best *Match
			for b := s.audited; b < n; b++ {
				d := math.Hypot(scaled[2*a]-scaled[2*b], scaled[2*a+1]-scaled[2*b+1])
				equal := embeddings.Row(a)[0] == embeddings.Row(b)[0]
				if d > threshold && !equal {
					continue
				}
				found[b-s.audited] = true
				m := Match{Row: a, Sample: b - s.audited, Exact: equal && s.samples[a].Picture.same(s.samples[b].Picture)}
				m.Link.Distance = d
				if best == nil || m.Compare(*best) < 0 {
					best = &m
				}
			}
			if best != nil {
				want = append(want, *best)
			}
		}
		// Which of those at one distance is named doesn't matter.
		type fact struct {
			Row      int
			Distance string
			Exact    bool
		}
		facts := func(matches []Match) (out []fact) {
			for _, m := range matches {
				out = append(out, fact{m.Row, fmt.Sprintf("%.9f", m.Link.Distance), m.Exact})
			}
			return out
		}
		if diff := gocmp.Diff(facts(want), facts(c.Matches)); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		var samples []int
		for b := range found {
			samples = append(samples, b)
		}
		slices.Sort(samples)
		if diff := gocmp.Diff(samples, c.Found); diff != "" {
			t.Fatalf("seed %d, found (-want +got):\n%s", seed, diff)
		}
		exact := 0
		for _, m := range c.Matches {
			if m.Exact != (m.Link == Link{} && s.samples[m.Row].Picture.same(s.samples[s.audited+m.Sample].Picture)) {
				t.Fatalf("seed %d: %+v", seed, m)
			}
			if m.Exact {
				exact++
			}
		}
		if exact != c.ExactCopies {
			t.Fatalf("seed %d: %d exact copies, not %d", seed, c.ExactCopies, exact)
		}
		for _, limit := range []int{1000, 2} { // of copies that are all paired
			last, seen := [2]int{-1, 0}, map[int]bool{}
			c.EachPair(limit, func(row, sample int, _ Link) {
				if row >= s.audited || sample < 0 || sample >= n-s.audited {
					t.Fatalf("seed %d: a pair of %d and %d", seed, row, sample)
				}
				if slices.Compare(last[:], []int{row, sample}) >= 0 {
					t.Fatalf("seed %d: %d and %d after %v", seed, row, sample, last)
				}
				last, seen[row] = [2]int{row, sample}, true
			})
			if len(seen) != len(c.Matches) {
				t.Fatalf("seed %d: pairs of %d rows, and %d matches", seed, len(seen), len(c.Matches))
			}
		}
	}
}

// Method Local finds the copies across, whichever side is the smaller one, and says nothing of those within a side.
func TestCompareLocal(t *testing.T) {
	for _, size := range []int{40, 200, 760} {
		random := rand.New(rand.NewPCG(uint64(size), 41))
		const n, columns, copies = 800, 16, 20
		x := cloud(random, n, columns)
		noisy := func(to, from int) {
			for c := range columns {
				x[to*columns+c] = x[from*columns+c] + 0.02*random.NormFloat64()
			}
		}
		audited := n - size
		for i := range copies {
			noisy(i, audited+i)
		}
		noisy(audited-1, audited-2) // within the dataset
		noisy(n-1, n-2)             // within the reference
		samples := plain(n)
		for i := audited; i < n; i++ {
			samples[i].Baseline = true
		}
		c, err := Compare(t.Context(), samples, slices.Clone(x), columns, rowsOf(x, columns), Options{Neighbors: 50, Local: &Local{Rate: 0.01}, MaxClusterSize: 50})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range c.Matches {
			if m.Row < copies && m.Sample == m.Row {
				found++
			}
		}
		if found < copies-1 || len(c.Matches) > copies+1 {
			t.Errorf("a reference of %d: %d of %d copies among %d matches", size, found, copies, len(c.Matches))
		}
		if sides := 2 * float64(audited) * float64(size) / n; math.Abs(c.Judgment.Sides-sides) > 1e-9 {
			t.Errorf("a reference of %d: %g sides, not %g", size, c.Judgment.Sides, sides)
		}
	}
}

// A picture that a reference holds many times is found as one that it holds once.
func TestCompareManyEqual(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 43))
	const audited, theirs, times, columns = 400, 300, 40, 12
	x := cloud(random, audited+theirs, columns)
	for c := range columns { // the last ones are equal, and nearly row 0
		for i := range times {
			x[(audited+theirs-1-i)*columns+c] = x[c] + 1e-3
		}
	}
	samples := plain(audited + theirs)
	for i := audited; i < len(samples); i++ {
		samples[i].Baseline = true
	}
	c, err := Compare(t.Context(), samples, x, columns, rowsOf(x, columns), Options{Neighbors: 50, Local: &Local{Rate: 0.01}, MaxClusterSize: 50})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Matches) != 1 || c.Matches[0].Row != 0 || len(c.Found) != times {
		t.Errorf("matches %+v, %d found of %d", c.Matches, len(c.Found), times)
	}
}

// A crowd of copies on both sides is found whole: each of its rows has a copy in the reference.
func TestCompareCrowd(t *testing.T) {
	for _, crowd := range [][2]int{{1, 60}, {60, 1}, {60, 60}, {200, 30}} { // of the dataset, and of the reference
		random := rand.New(rand.NewPCG(8, 44))
		const audited, theirs, columns = 800, 600, 24
		x := cloud(random, audited+theirs, columns)
		copies := func(row int) bool { return row < crowd[0] || row >= audited+theirs-crowd[1] }
		samples := plain(audited + theirs)
		for i := range samples {
			samples[i].Baseline = i >= audited
			if i > 0 && copies(i) {
				for c := range columns {
					x[i*columns+c] = x[c] + 0.05*random.NormFloat64()
				}
			}
		}
		look := func(_ context.Context, pairs []Link) ([]Resemblance, error) {
			alike := map[[2]int]bool{}
			for _, l := range pairs {
				alike[[2]int{l.A, l.B}] = copies(l.A) && copies(l.B)
			}
			return resembling(pairs, alike), nil
		}
		c, err := Compare(t.Context(), samples, x, columns, rowsOf(x, columns), Options{
			Neighbors: 50, Local: &Local{Rate: 0.01, Inspect: look, InspectsBaseline: true}, MaxClusterSize: 50,
		})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range c.Matches {
			if copies(m.Row) {
				found++
			}
		}
		if found < crowd[0] || len(c.Matches) > found+1 || len(c.Found) < crowd[1] {
			t.Errorf("of a crowd of %v: %d rows among %d, and %d of the reference", crowd, found, len(c.Matches), len(c.Found))
		}
	}
}

// A reference that shares nothing with the dataset is said to so rarely that its rate holds.
func TestCompareNothing(t *testing.T) {
	with := 0
	const sets = 60
	for seed := range uint64(sets) {
		random := rand.New(rand.NewPCG(seed, 42))
		const n, columns = 500, 12
		x := cloud(random, n, columns)
		samples := plain(n)
		for i := 100 + int(seed)*5; i < n; i++ {
			samples[i].Baseline = true
		}
		c, err := Compare(t.Context(), samples, x, columns, rowsOf(x, columns), Options{Neighbors: 50, Local: &Local{Rate: 0.1}, MaxClusterSize: 50})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Matches) > 0 {
			with++
		}
	}
	if with > 12 { // 6 are expected at the most, and more than 12 come by chance once in a hundred times
		t.Errorf("something is found in %d of %d", with, sets)
	}
}

func TestMatchOrder(t *testing.T) {
	near, far, exact := Match{Sample: 2, Link: Link{Distance: 1}}, Match{Sample: 1, Link: Link{Distance: 2}}, Match{Sample: 3, Exact: true}
	order := []Match{far, near, exact, {Sample: 1, Link: Link{Distance: 1}}}
	slices.SortFunc(order, Match.Compare)
	if diff := gocmp.Diff([]int{3, 1, 2, 1}, []int{order[0].Sample, order[1].Sample, order[2].Sample, order[3].Sample}); diff != "" {
		t.Error(diff)
	}
}
