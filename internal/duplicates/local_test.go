package duplicates

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// cloud is N×columns of standard normal numbers.
func cloud(random *rand.Rand, n, columns int) []float64 {
	x := make([]float64, n*columns)
	for i := range x {
		x[i] = random.NormFloat64()
	}
	return x
}

// plant appends noisy copies of the first rows, so many of each, and returns the pairs.
func plant(random *rand.Rand, x []float64, columns, sources, copies int, noise float64) (planted []float64, pairs map[[2]int]bool) {
	pairs = map[[2]int]bool{}
	for source := range sources {
		rows := []int{source}
		for range copies {
			row := len(x) / columns
			for c := range columns {
				x = append(x, x[source*columns+c]+noise*random.NormFloat64())
			}
			for _, other := range rows {
				pairs[[2]int{other, row}] = true
			}
			rows = append(rows, row)
		}
	}
	return x, pairs
}

func findLocal(t *testing.T, x []float64, columns int, edit ...func(*Options)) *Result {
	t.Helper()
	o := Options{Neighbors: 50, MaxClusterSize: 50, Threads: 2, NearMisses: 100, Local: &Local{Rate: 0.01}}
	for _, e := range edit {
		e(&o)
	}
	r, err := Find(t.Context(), plain(len(x)/columns), slices.Clone(x), columns, rowsOf(x, columns), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Around a sample in an evenly filled ball, chance is what it says: of many samples, the mean number of neighbors of at
// most a chance is that chance, whatever the dimension, and although each dimension is only estimated.
func TestChanceIsExact(t *testing.T) {
	const samples, k = 20_000, 49
	for _, m := range []float64{2, 15, 80} {
		random := rand.New(rand.NewPCG(uint64(m), 1))
		near := neighbors.Result{K: k, Distance: make([]float64, samples*k)}
		for i := range samples {
			row := near.Distance[i*k : (i+1)*k]
			for j := range row {
				row[j] = math.Pow(random.Float64(), 1/m)
			}
			slices.Sort(row)
		}
		s := newSurroundings(near, 1000)
		if math.Abs(s.dimension/m-1) > 0.03 || s.shrinkage < 0.97 {
			t.Errorf("dimension %g is taken for %g, with shrinkage %g", m, s.dimension, s.shrinkage)
		}
		for _, chance := range []float64{3, 1, 0.1, 0.01, 0.001} {
			found := 0.0
			for at, d := range near.Distance {
				if s.chance(at/k, d) <= chance {
					found++
				}
			}
			expected := chance * samples
			if math.Abs(found-expected) > 4*math.Sqrt(expected)+0.04*expected {
				t.Errorf("dimension %g: %g neighbors of chance %g and less, expected %g", m, found, chance, expected)
			}
		}
		// What is copied around the sample changes nothing.
		before := s.chance(0, 0.5*near.Distance[9])
		for j := range 9 {
			near.Distance[j] = 1e-3 * float64(j+1)
		}
		if after := newSurroundings(near, 1000); math.Abs(after.chance(0, 0.5*near.Distance[9])/before-1) > 1e-2 {
			t.Errorf("nine copies change the chance from %g", before)
		}
	}
}

// Relative distances order pairs as their chances do.
func TestRelativeIsMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	near, err := neighbors.Search(t.Context(), neighbors.Matrix[float64]{Data: cloud(random, 300, 5), N: 300, D: 5}, neighbors.Options{K: 49})
	if err != nil {
		t.Fatal(err)
	}
	s := newSurroundings(near, 5)
	last := 0.0
	for e := -300.0; e < 0.5; e += 0.01 {
		d := s.relative(math.Pow(10, e))
		if d < last || d > 1 {
			t.Fatalf("chance 1e%g is at distance %g after %g", e, d, last)
		}
		last = d
	}
	if zero, nine := s.relative(0), s.relative(float64(s.inner-1)); zero != leastDistance || nine != 1 {
		t.Errorf("no chance is at distance %g, that of a typical radius at %g", zero, nine)
	}
}

// Where there are no copies, next to nothing is found; q = 0.01 allows for one pair in a hundred datasets.
func TestNothingToFind(t *testing.T) {
	kinds := map[string]func(random *rand.Rand) ([]float64, int){
		"normal, 3":  func(random *rand.Rand) ([]float64, int) { return cloud(random, 1500, 3), 3 },
		"normal, 40": func(random *rand.Rand) ([]float64, int) { return cloud(random, 1500, 40), 40 },
		"heavy tails": func(random *rand.Rand) ([]float64, int) {
			x := cloud(random, 1500, 30)
			for row := range slices.Chunk(x, 30) {
				scale := math.Exp(random.NormFloat64())
				for c := range row {
					row[c] *= scale
				}
			}
			return x, 30
		},
		"clusters": func(random *rand.Rand) ([]float64, int) {
			x, centers := cloud(random, 1500, 30), cloud(random, 10, 30)
			for i := range x {
				x[i] = 3*centers[i/30%10*30+i%30] + math.Exp(float64(i/30%10)/5)*x[i]
			}
			return x, 30
		},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			pairs := 0
			for seed := range uint64(5) {
				x, columns := kind(rand.New(rand.NewPCG(seed, 7)))
				r := findLocal(t, x, columns)
				pairs += len(r.Links)
				if len(r.Clusters) > 0 != (len(r.Links) > 0) || len(r.Links) == 0 && r.Threshold.Distance != 0 {
					t.Errorf("seed %d: %d clusters, %d links, threshold %g", seed, len(r.Clusters), len(r.Links), r.Threshold.Distance)
				}
				if r.Judgment.Fit > 1.25 {
					t.Errorf("seed %d: %g times as many pairs as expected where chance has them", seed, r.Judgment.Fit)
				}
			}
			if pairs > 1 {
				t.Errorf("%d pairs in five datasets without copies", pairs)
			}
		})
	}
}

// Planted copies are found among rows of any density, alone and in groups of up to a fifth of the neighbors.
func TestPlantedCopies(t *testing.T) {
	for _, copies := range []int{1, 4, 9} {
		random := rand.New(rand.NewPCG(uint64(copies), 1))
		x := cloud(random, 1500, 24)
		for i := range x[:24*700] { // half as scattered
			x[i] *= 0.3
		}
		x, pairs := plant(random, x, 24, 30, copies, 0.02)
		r := findLocal(t, x, 24)
		hits := 0
		for _, l := range r.Links {
			if pairs[[2]int{l.A, l.B}] {
				hits++
			}
		}
		if 100*hits < 99*len(pairs) || len(r.Links) > hits+hits/20 {
			t.Errorf("%d copies each: found %d of %d pairs among %d", copies, hits, len(pairs), len(r.Links))
		}
		if len(r.Clusters) < 30 || r.Judgment.Pairs != len(r.Links) || r.Judgment.ChancePairs > 0.01*float64(len(r.Links)) {
			t.Errorf("%d clusters, %+v", len(r.Clusters), r.Judgment)
		}
		for _, l := range r.Links {
			if l.Distance > r.Threshold.Distance {
				t.Fatalf("%+v is beyond the threshold %g", l, r.Threshold.Distance)
			}
		}
		rates := r.Judgment.Rates(slices.SortedFunc(slices.Values(r.Links), byChance))
		if !slices.IsSorted(rates) || rates[len(rates)-1] > 0.01 {
			t.Errorf("the rates end with %g, and ascend: %v", rates[len(rates)-1], slices.IsSorted(rates))
		}
		for i, l := range r.NearMisses {
			if l.Distance <= r.Threshold.Distance || i > 0 && l.Distance < r.NearMisses[i-1].Distance {
				t.Fatalf("near miss %d is %+v, the threshold %g", i, l, r.Threshold.Distance)
			}
		}
	}
}

// Crowds on one spot, rows at equal distances and datasets too small to tell are no reason to fail or to invent pairs.
func TestLocalDegenerate(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	corners := make([]float64, 60*60)
	for i := range 60 {
		corners[61*i] = 1
	}
	few := cloud(random, 5, 4)
	zeros := make([]float64, 40)
	for name, test := range map[string]struct {
		x       []float64
		columns int
	}{
		"equal distances": {corners, 60}, "five rows": {few, 4}, "one row": {few[:4], 4}, "all the same": {zeros, 2}, "no components": {few[:0], 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := len(test.x) / max(test.columns, 1)
			if test.columns == 0 {
				n = 30
			}
			distinct := cloud(random, n, 3)
			if name == "all the same" {
				distinct = make([]float64, 3*n)
			}
			r, err := Find(t.Context(), plain(n), slices.Clone(test.x), test.columns, rowsOf(distinct, 3), Options{Neighbors: 50, Local: &Local{Rate: 0.01}})
			if err != nil || len(r.Links) > 0 {
				t.Errorf("%d links, %v", len(r.Links), err)
			}
			for _, d := range append(r.Curve, r.Threshold.Distance, r.Judgment.ChancePairs, r.Judgment.Dimension, r.Judgment.Shrinkage) {
				if math.IsNaN(d) || math.IsInf(d, 0) {
					t.Errorf("a figure is %g: %+v", d, r.Judgment)
				}
			}
		})
	}
}

// Neither the number of threads nor that of calls changes a bit.
func TestLocalIsDeterministic(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	x, _ := plant(random, cloud(random, 600, 10), 10, 20, 3, 0.02)
	look := func(_ context.Context, pairs []Link) ([]Resemblance, error) { return resembling(pairs, nil), nil }
	one := findLocal(t, x, 10, func(o *Options) { o.Threads, o.Local.Inspect = 1, look })
	two := findLocal(t, x, 10, func(o *Options) { o.Threads, o.Local.Inspect = 3, look })
	if diff := cmp.Diff([]any{one.Links, one.NearMisses, one.Clusters, one.Judgment}, []any{two.Links, two.NearMisses, two.Clusters, two.Judgment}); diff != "" {
		t.Error(diff)
	}
}

// Samples of a baseline are compared with the others only, and what is around them counts.
func TestLocalBaseline(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	x, _ := plant(random, cloud(random, 800, 20), 20, 30, 1, 0.02)
	n := len(x) / 20
	order := random.Perm(n) // so that both ends of a pair may be of the baseline
	shuffled := make([]float64, 0, len(x))
	for _, i := range order {
		shuffled = append(shuffled, x[20*i:20*i+20]...)
	}
	samples := plain(n)
	for i := n / 3; i < n; i++ {
		samples[i].Baseline = true
	}
	r, err := Find(t.Context(), samples, slices.Clone(shuffled), 20, rowsOf(shuffled, 20), Options{Neighbors: 50, MaxClusterSize: 50, NearMisses: 50, Local: &Local{Rate: 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	onlyOld(t, r)
	at := map[int]int{}
	for i, row := range order {
		at[row] = i
	}
	want := map[[2]int]bool{}
	for i := range 30 {
		a, b := at[i], at[800+i]
		if min(a, b) < n/3 {
			want[[2]int{min(a, b), max(a, b)}] = true
		}
	}
	got := map[[2]int]bool{}
	for _, l := range r.Links {
		got[[2]int{l.A, l.B}] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// resembling are similarities as look-alikes have them, except for some pairs.
func resembling(pairs []Link, alike map[[2]int]bool) []Resemblance {
	out := make([]Resemblance, len(pairs))
	for i, l := range pairs {
		random := rand.New(rand.NewPCG(uint64(l.A), uint64(l.B)))
		out[i].Similarity = math.Tanh(0.4 + 0.25*random.NormFloat64())
		if alike[[2]int{l.A, l.B}] {
			out[i].Similarity = 0.97
		}
	}
	return out
}

// A second look finds copies that the embeddings alone leave in doubt, and without copies nothing.
func TestInspection(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	x := cloud(random, 2000, 24)
	look := func(alike map[[2]int]bool) func(o *Options) {
		return func(o *Options) {
			o.Local.Inspect = func(_ context.Context, pairs []Link) ([]Resemblance, error) { return resembling(pairs, alike), nil }
		}
	}
	if r := findLocal(t, x, 24, look(nil)); len(r.Links) > 0 {
		t.Errorf("%d pairs where there are none", len(r.Links))
	}
	x, planted := plant(random, x, 24, 100, 1, 0.45)
	count := func(r *Result) (hits, others int) {
		for _, l := range r.Links {
			if planted[[2]int{l.A, l.B}] {
				hits++
			} else {
				others++
			}
		}
		return hits, others
	}
	without, _ := count(findLocal(t, x, 24))
	r := findLocal(t, x, 24, look(planted))
	with, others := count(r)
	if with < 95 || without > 80 || others > 2 {
		t.Errorf("%d of 100 are found without a look, %d with, and %d others", without, with, others)
	}
	if i := r.Judgment.Inspection; i.Pairs < 1000 || i.Lookalikes > i.Pairs || math.Abs(i.Similarity-math.Tanh(0.4+0.25*1.28)) > 0.03 {
		t.Errorf("%+v", i)
	}
	for _, l := range r.Links {
		if l.Seen == nil {
			t.Errorf("%+v was not looked at", l)
		}
	}
	broken := errors.New("broken")
	_, err := Find(t.Context(), plain(len(x)/24), x, 24, rowsOf(x, 24), Options{Neighbors: 50, Local: &Local{Rate: 0.01, Inspect: func(context.Context, []Link) ([]Resemblance, error) { return nil, broken }}})
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// In a group of more copies than a fifth of the neighbors nothing stands out; a second look finds it all the same.
func TestInspectionFindsCrowds(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	x, planted := plant(random, cloud(random, 1500, 24), 24, 2, 29, 0.05)
	r := findLocal(t, x, 24, func(o *Options) {
		o.Local.Inspect = func(_ context.Context, pairs []Link) ([]Resemblance, error) { return resembling(pairs, planted), nil }
	})
	members, others := 0, 0
	for _, c := range r.Clusters {
		for _, m := range c.Members {
			if m.Row < 2 || m.Row >= 1500 {
				members++
			} else {
				others++
			}
		}
	}
	if members < 55 || others > 2 {
		t.Errorf("%d of 60 are found, and %d others", members, others)
	}
}

// Crowds of any size are found whole, also beyond the neighbors that are searched, and make no room for false pairs.
func TestCrowdsOfAnySize(t *testing.T) {
	for _, copies := range []int{11, 19, 49, 120, 700} {
		random := rand.New(rand.NewPCG(uint64(copies), 10))
		x, planted := plant(random, cloud(random, 1000, 24), 24, 1, copies, 0.05)
		looks := 0
		r := findLocal(t, x, 24, func(o *Options) {
			o.Local.Inspect = func(_ context.Context, pairs []Link) ([]Resemblance, error) {
				looks += len(pairs)
				return resembling(pairs, planted), nil
			}
		})
		if len(r.Clusters) == 0 {
			t.Errorf("nothing is found of a crowd of %d", copies+1)
			continue
		}
		largest := slices.MaxFunc(r.Clusters, func(a, b Cluster) int { return len(a.Members) - len(b.Members) })
		others := 0
		for _, m := range largest.Members {
			if m.Row > 0 && m.Row < 1000 {
				others++
			}
		}
		if len(largest.Members) != copies+1 || others > 0 || len(r.Clusters) > 2 {
			t.Errorf("of a crowd of %d, a cluster has %d, of which %d are others, and there are %d clusters", copies+1, len(largest.Members), others, len(r.Clusters))
		}
		if most := 60 * (1000 + copies); looks > most {
			t.Errorf("a crowd of %d takes %d looks", copies+1, looks)
		}
	}
}

// A class of things that are all rather alike, some pairs by chance as alike as copies, is not a crowd of copies.
func TestClassesAreNotCrowds(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	x := cloud(random, 1000, 24)
	for i := range x[:24*300] {
		x[i] = 5 + 0.3*x[i]
	}
	r := findLocal(t, x, 24, func(o *Options) {
		o.Local.Inspect = func(_ context.Context, pairs []Link) ([]Resemblance, error) {
			seen := resembling(pairs, nil)
			for i, l := range pairs {
				if l.B < 300 { // by one in five from alike on
					seen[i].Similarity = math.Tanh(1.5 + 0.4*rand.New(rand.NewPCG(uint64(l.A), uint64(l.B))).NormFloat64())
				}
			}
			return seen, nil
		}
	})
	if len(r.Links) > 3 {
		t.Errorf("%d pairs, and none is a copy: %+v", len(r.Links), r.Judgment.Inspection)
	}
}

// Of pairs that chance made, the combined chance is spread as the first one was.
func TestCombinedKeepsChance(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	const n, limit = 200_000, 3.0
	similarities := make([]float64, n)
	for i := range similarities {
		similarities[i] = math.Tanh(0.5 - 0.2*math.Log(random.Float64()))
	}
	among := newLookalikes(similarities)
	counts := map[float64]int{1: 0, 0.1: 0, 0.01: 0, 0.001: 0}
	for range n {
		share := among.share(math.Tanh(0.5 - 0.2*math.Log(random.Float64())))
		c := combined(limit*random.Float64(), share, limit)
		for most := range counts {
			if c <= most {
				counts[most]++
			}
		}
	}
	for most, found := range counts {
		expected := n * most / limit
		if math.Abs(float64(found)-expected) > 4*math.Sqrt(expected)+0.03*expected {
			t.Errorf("%d pairs of %g and less, expected %g", found, most, expected)
		}
	}
	last := 1.0
	for s := -1.0; s <= 1; s += 0.001 {
		share := among.share(s)
		if share > last || share < leastShare {
			t.Fatalf("similarity %g has share %g after %g", s, share, last)
		}
		last = share
	}
}

func TestChangeInWords(t *testing.T) {
	tests := map[string]Change{
		"unchanged": {Zoom: 1.01, Stretch: 0.98, Turn: 1, Right: 0.01, Down: -0.01, Contrast: 1},
		"mirrored, zoomed in 13 %, 6 % left, darker":     {Mirrored: true, Zoom: 1.13, Stretch: 1, Right: -0.0625, Brightness: -0.2, Contrast: 0.9},
		"zoomed out 27 %, 3 % right, 9 % down, brighter": {Zoom: 1 / 1.27, Stretch: 1, Right: 0.03, Down: 0.09, Brightness: 0.05, Contrast: 1},
		"13 % up, more contrast":                         {Zoom: 1, Stretch: 1, Down: -0.125, Contrast: 1.5},
		"less contrast":                                  {Zoom: 1, Stretch: 1, Contrast: 0.5},
		"zoomed in 10 %, 21 % wider, 5 % right":          {Zoom: 1.1, Stretch: 1.21, Right: 0.05, Contrast: 1},
		"mirrored, 50 % higher":                          {Mirrored: true, Zoom: 1, Stretch: 1 / 1.5, Contrast: 1},
		"turned 12° left, 4 % down":                      {Zoom: 1, Stretch: 1, Turn: -12, Down: 0.04, Contrast: 1},
		"mirrored, turned 7° right, zoomed in 20 %":      {Mirrored: true, Zoom: 1.2, Stretch: 1, Turn: 7, Contrast: 1},
	}
	for want, c := range tests {
		if got := c.String(); got != want {
			t.Errorf("%+v is %q, want %q", c, got, want)
		}
		// There and back again is nowhere, for any place of an image.
		for _, x := range []float64{-0.5, -0.1, 0.3} {
			at := func(c Change, x, y float64) (float64, float64) {
				if c.Mirrored {
					x = -x
				}
				sin, cos := math.Sincos(c.Turn * math.Pi / 180)
				x, y = cos*x-sin*y, sin*x+cos*y
				return c.Zoom*math.Sqrt(c.Stretch)*x + c.Right, c.Zoom/math.Sqrt(c.Stretch)*y + c.Down
			}
			right, down := at(c, x, x/2)
			if x1, y1 := at(c.Inverse(), right, down); math.Abs(x1-x) > 2e-3 || math.Abs(y1-x/2) > 2e-3 || c.Turn == 0 && math.Abs(x1-x) > 1e-12 {
				t.Errorf("%+v and its inverse %+v bring %g to %g", c, c.Inverse(), x, x1)
			}
		}
	}
}
