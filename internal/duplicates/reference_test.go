package duplicates

import (
	"cmp"
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
				if best == nil || m.before(*best) {
					best = &m
				}
			}
			if best != nil {
				want = append(want, *best)
			}
		}
		// A sample of the reference is in one group of copies at most, so of several equal ones only the first may be known
		// as exact. Which of those at one distance is named doesn't matter.
		type fact struct {
			Row      int
			Distance string
		}
		facts := func(matches []Match) (out []fact) {
			for _, m := range matches {
				out = append(out, fact{m.Row, fmt.Sprintf("%.9f", m.Link.Distance)})
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
		seen := map[int]bool{}
		c.EachPair(1000, func(row, sample int, _ Link) {
			if row >= s.audited || sample < 0 || sample >= n-s.audited {
				t.Fatalf("seed %d: a pair of %d and %d", seed, row, sample)
			}
			seen[row] = true
		})
		if len(seen) != len(c.Matches) {
			t.Fatalf("seed %d: pairs of %d rows, and %d matches", seed, len(seen), len(c.Matches))
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
	slices.SortFunc(order, func(a, b Match) int {
		if a.before(b) {
			return -1
		}
		return cmp.Compare(1, 0)
	})
	if diff := gocmp.Diff([]int{3, 1, 2, 1}, []int{order[0].Sample, order[1].Sample, order[2].Sample, order[3].Sample}); diff != "" {
		t.Error(diff)
	}
}
