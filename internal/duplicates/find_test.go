package duplicates

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// on places samples on a line, one component; its norm is whatever it is, so thresholds are given as Distance.
type on struct {
	at     float64
	split  string
	labels []string
	group  string
}

// find runs Find on samples on a line with links up to the given gap, in the line's own unit.
func find(t *testing.T, gap float64, line []on, edit ...func(*Options)) *Result {
	t.Helper()
	samples := make([]Sample, len(line))
	vectors := make([]float64, len(line))
	norm := 0.0
	for i, s := range line {
		samples[i] = Sample{Index: 10 * i, ID: fmt.Sprint(i), Split: s.split, Labels: s.labels, Group: s.group}
		vectors[i] = s.at
		norm += s.at * s.at
	}
	o := Options{
		Neighbors: 10, MaxClusterSize: 50, Threads: 1, EvaluationSplits: []string{"test"},
		Strategy: Distance{Normalized: (gap + 1e-9) / math.Sqrt(norm) * math.Sqrt(float64(len(line)))},
	}
	for _, e := range edit {
		e(&o)
	}
	r, err := Find(context.Background(), samples, vectors, 1, rowsOf(vectors, 1), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLeakage(t *testing.T) {
	tests := map[string]struct {
		line []on
		want *Leakage
	}{
		"copy, link, chain and none": {
			line: []on{
				{at: 10, split: "train"}, {at: 10, split: "test"}, // an exact copy
				{at: 20, split: "train"}, {at: 21, split: "test"}, {at: 22, split: "test"}, // linked, and chained through it
				{at: 50, split: "test"}, {at: 51, split: "test"}, // a cluster within test
				{at: 70, split: "train"},
			},
			want: &Leakage{Samples: 2, ExactCopies: 1, ChainedOnly: 1, Clusters: 2, Pairs: []LeakagePair{{"train", "test", 2}}},
		},
		"copies of a linked sample leak too": {
			line: []on{{at: 20, split: "train"}, {at: 21, split: "test"}, {at: 21, split: "test"}, {at: 90, split: "other"}},
			want: &Leakage{Samples: 2, Clusters: 1, Pairs: []LeakagePair{{"train", "test", 2}}},
		},
		"from two splits": {
			line: []on{{at: 20, split: "train"}, {at: 21, split: "test"}, {at: 22, split: "extra"}, {at: 50, split: ""}, {at: 50, split: "test"}},
			want: &Leakage{Samples: 2, ExactCopies: 1, Clusters: 2,
				Pairs: []LeakagePair{{"", "test", 1}, {"extra", "test", 1}, {"train", "test", 1}}},
		},
		"clean is zero":    {line: []on{{at: 1, split: "train"}, {at: 9, split: "test"}}, want: &Leakage{}},
		"no test":          {line: []on{{at: 1, split: "train"}, {at: 1, split: "train"}}},
		"nothing but test": {line: []on{{at: 1, split: "test"}, {at: 1, split: "test"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := find(t, 1, test.line)
			if diff := cmp.Diff(test.want, got.Leakage); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLabelConflicts(t *testing.T) {
	tests := map[string]struct {
		line []on
		want int
	}{
		"linked":           {[]on{{at: 1, labels: []string{"a"}}, {at: 2, labels: []string{"b"}}}, 1},
		"same label":       {[]on{{at: 1, labels: []string{"a"}}, {at: 2, labels: []string{"a"}}}, 0},
		"one in common":    {[]on{{at: 1, labels: []string{"a", "b"}}, {at: 2, labels: []string{"b", "c"}}}, 0},
		"unlabeled":        {[]on{{at: 1, labels: []string{"a"}}, {at: 2}}, 0},
		"only chained":     {[]on{{at: 1, labels: []string{"a"}}, {at: 2}, {at: 3, labels: []string{"b"}}}, 0},
		"copies":           {[]on{{at: 1, labels: []string{"a"}}, {at: 1, labels: []string{"b"}}, {at: 1, labels: []string{"b"}}, {at: 9}}, 2},
		"copies and links": {[]on{{at: 1, labels: []string{"a"}}, {at: 1, labels: []string{"a"}}, {at: 2, labels: []string{"b"}}, {at: 2, labels: []string{"c"}}}, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := find(t, 1, test.line)
			inClusters := 0
			for _, c := range got.Clusters {
				inClusters += c.Conflicts
			}
			if got.LabelConflicts != test.want || inClusters != test.want {
				t.Errorf("got %d, in clusters %d, want %d", got.LabelConflicts, inClusters, test.want)
			}
		})
	}
}

// Within a split alone, what was chained through another split is apart.
func TestShares(t *testing.T) {
	got := find(t, 1, []on{
		{at: 10, split: "train", labels: []string{"a"}},
		{at: 11, split: "test", labels: []string{"a", "b"}},
		{at: 12, split: "train", labels: []string{"b"}},
		{at: 40, split: "train", labels: []string{"b"}}, {at: 40, split: "train", labels: []string{"b"}}, {at: 40, split: "test"},
		{at: 80, split: "train"},
	})
	near := cmpopts.EquateApprox(0, 1e-12)
	if diff := cmp.Diff(Share{Samples: 7, DuplicateSamples: 6, EffectiveSize: 3, WeightedSize: 1./2 + 1./3 + 1./2 + 1 + 1}, got.Total, near); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
	splits := []Share{
		{Name: "test", Samples: 2, DuplicateSamples: 0, EffectiveSize: 2, WeightedSize: 2},
		{Name: "train", Samples: 5, DuplicateSamples: 2, EffectiveSize: 4, WeightedSize: 4},
	}
	if diff := cmp.Diff(splits, got.Splits, near); diff != "" {
		t.Errorf("splits (-want +got):\n%s", diff)
	}
	labels := []Share{
		{Name: "", Samples: 2, DuplicateSamples: 0, EffectiveSize: 2, WeightedSize: 2},
		{Name: "a", Samples: 2, DuplicateSamples: 2, EffectiveSize: 1, WeightedSize: 1},
		{Name: "b", Samples: 4, DuplicateSamples: 4, EffectiveSize: 2, WeightedSize: 2},
	}
	if diff := cmp.Diff(labels, got.Labels, near); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestRemovals(t *testing.T) {
	tests := map[string]struct {
		line []on
		max  int
		want []Removal
	}{
		"the medoid stays": {
			line: []on{{at: 10}, {at: 11}, {at: 12}, {at: 50}}, max: 50,
			want: []Removal{{0, 1, false}, {2, 1, false}},
		},
		"test stays though train is the medoid": {
			line: []on{{at: 10, split: "test"}, {at: 11, split: "train"}, {at: 12, split: "train"}}, max: 50,
			want: []Removal{{1, 0, false}, {2, 0, false}},
		},
		"one of two in test stays": {
			line: []on{{at: 10, split: "test"}, {at: 11, split: "train"}, {at: 11.5, split: "test"}}, max: 50,
			want: []Removal{{0, 2, false}, {1, 2, false}},
		},
		"a split to keep, but never before test": {
			line: []on{{at: 10, split: "gold"}, {at: 11, split: "train"}, {at: 12, split: "train"}, {at: 40, split: "gold"}, {at: 41, split: "train"}, {at: 42, split: "test"}}, max: 50,
			want: []Removal{{1, 0, false}, {2, 0, false}, {3, 5, false}, {4, 5, false}},
		},
		"an oversized cluster gives up copies": {
			line: []on{{at: 10}, {at: 11, split: "train"}, {at: 11, split: "test"}, {at: 12}}, max: 3,
			want: []Removal{{1, 2, true}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := find(t, 1, test.line, func(o *Options) { o.MaxClusterSize = test.max })
			if diff := cmp.Diff(test.want, got.Removals(Rule{Evaluation: []string{"test"}, Keep: []string{"gold"}})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestInseparable(t *testing.T) {
	got := find(t, 1, []on{{at: 10, group: "p"}, {at: 20}, {at: 11}, {at: 40, group: "q"}, {at: 41}, {at: 60, group: "p"}, {at: 80}})
	if diff := cmp.Diff([]int{0, 1, 0, 3, 3, 0, 6}, got.Inseparable()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Fifteen copies of an original and twelve of its edit meet, although ten neighbors are fewer than either.
func TestManyCopiesMeet(t *testing.T) {
	var line []on
	for range 15 {
		line = append(line, on{at: 10})
	}
	for range 12 {
		line = append(line, on{at: 10.5})
	}
	for i := range 30 {
		line = append(line, on{at: 100 + 20*float64(i)})
	}
	got := find(t, 1, line)
	if len(got.Clusters) != 1 || len(got.Clusters[0].Members) != 27 || got.ExactCopies != 14+11 || len(got.Links) != 1 {
		t.Errorf("%d clusters, %d copies, links %v", len(got.Clusters), got.ExactCopies, got.Links)
	}
	if got.Total.EffectiveSize != len(line)-26 {
		t.Errorf("effective size %d", got.Total.EffectiveSize)
	}
}

func TestDegenerateDatasets(t *testing.T) {
	same := slices.Repeat([]float64{3, 3}, 12)
	tests := map[string]struct {
		reduced    []float64
		n, columns int
		clusters   int
	}{
		"one":                  {[]float64{1, 2}, 1, 2, 0},
		"all identical":        {same, 12, 2, 1},
		"no components at all": {nil, 12, 0, 1},
		"a zero column":        {[]float64{1, 0, 2, 0, 900, 0}, 3, 2, 1},
		"extreme magnitudes":   {[]float64{1e300, 1e-300, 1e300, 1e-300, -1e300, 3e-300}, 3, 2, 1},
	}
	for name, test := range tests {
		for strategy := range strategies {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				o := Options{Neighbors: 10, Strategy: strategies[strategy], MaxClusterSize: 50, Threads: 1}
				got, err := Find(context.Background(), plain(test.n), slices.Clone(test.reduced), test.columns, rowsOf(test.reduced, test.columns), o)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Clusters) != test.clusters {
					t.Errorf("%d clusters, want %d: %+v", len(got.Clusters), test.clusters, got.Clusters)
				}
			})
		}
	}
}

// Everything against its definition, on random rows with many ties and copies.
func TestFindAgainstDefinition(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 3))
		n, columns := 5+random.IntN(60), 1+random.IntN(3)
		vectors := make([]float64, n*columns)
		for i := range vectors {
			vectors[i] = float64(1 + random.IntN(12))
		}
		strategy := []Strategy{Slope{2}, Slope{5}, Percentile{70}, Percentile{100}, Distance{.4}}[seed%5]
		k := 2 + random.IntN(9)
		var results []*Result
		for threads := 1; threads <= 2; threads++ {
			o := Options{Neighbors: k, Strategy: strategy, MaxClusterSize: 5, Threads: threads}
			r, err := Find(context.Background(), plain(n), slices.Clone(vectors), columns, rowsOf(vectors, columns), o)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, r)
		}
		if diff := cmp.Diff(results[0], results[1], cmp.AllowUnexported(Result{}, copies{})); diff != "" {
			t.Fatalf("seed %d: two threads differ:\n%s", seed, diff)
		}
		scaled, _ := normalize(slices.Clone(vectors), columnNorms(vectors, columns))
		want := slowClusters(scaled, n, columns, k, results[0].Threshold.Distance)
		got := make([]int, n)
		for row, c := range results[0].ClusterOf {
			got[row] = row
			if c >= 0 {
				got[row] = results[0].Clusters[c].ID
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, k %d, %T: cluster of each row (-want +got):\n%s", seed, k, strategy, diff)
		}
	}
}

// slowClusters gives each row the smallest row that it is linked with over any number of links.
func slowClusters(x []float64, n, columns, k int, threshold float64) []int {
	row := func(i int) []float64 { return x[i*columns : (i+1)*columns] }
	linked := make([][]bool, n)
	for i := range linked {
		linked[i] = make([]bool, n)
	}
	for i := range n {
		var others []int // the first of each distinct vector
		for j := range n {
			same := slices.Equal(row(i), row(j))
			linked[i][j] = linked[i][j] || same
			first := !slices.ContainsFunc(others, func(o int) bool { return slices.Equal(row(o), row(j)) })
			if !same && first {
				others = append(others, j)
			}
		}
		slices.SortStableFunc(others, func(a, b int) int {
			da, db := distance(row(i), row(a)), distance(row(i), row(b))
			switch {
			case da < db:
				return -1
			case da > db:
				return 1
			}
			return 0
		})
		for _, j := range others[:min(k-1, len(others))] {
			if distance(row(i), row(j)) <= threshold {
				linked[i][j], linked[j][i] = true, true
			}
		}
	}
	label := make([]int, n)
	for i := range label {
		label[i] = i
	}
	for changed := true; changed; {
		changed = false
		for i := range n {
			for j := range n {
				if linked[i][j] && label[j] < label[i] {
					label[i], changed = label[j], true
				}
			}
		}
	}
	return label
}

func TestUnion(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 9))
		n := 1 + random.IntN(40)
		sets, label := newUnion(n), make([]int, n)
		for i := range label {
			label[i] = i
		}
		for range n {
			a, b := random.IntN(n), random.IntN(n)
			if joined := sets.join(a, b); joined != (label[a] != label[b]) {
				t.Fatalf("join(%d, %d) = %v", a, b, joined)
			}
			small, large := min(label[a], label[b]), max(label[a], label[b])
			for i := range label {
				if label[i] == large {
					label[i] = small
				}
			}
		}
		for i := range n {
			if sets.find(i) != label[i] {
				t.Fatalf("seed %d: find(%d) = %d, want %d", seed, i, sets.find(i), label[i])
			}
		}
	}
}

// Cosine looks at directions: of four embeddings two are parallel, though far apart.
func TestCosine(t *testing.T) {
	embeddings := rows{{1, 0}, {100, 1}, {0, 1}, {-1, 0}}
	reduced := []float64{0, 3, 9, 20}
	o := Options{Neighbors: 3, Strategy: Cosine{.99}, MaxClusterSize: 50, Threads: 1}
	got, err := Find(context.Background(), plain(4), reduced, 1, embeddings, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Links) != 1 || got.Links[0].A != 0 || got.Links[0].B != 1 {
		t.Errorf("links %v", got.Links)
	}
	if similarity := 1 - got.Links[0].Distance; math.Abs(similarity-1/math.Hypot(1, .01)) > 1e-6 {
		t.Errorf("similarity %v", similarity)
	}
}

type rows [][]float32

// rowsOf takes a matrix as the embeddings that it was reduced from. They are numbered by what is equal, which is all
// that matters of them but for Cosine.
func rowsOf(x []float64, columns int) Rows {
	var out rows
	seen := map[string]float32{}
	for i := 0; columns > 0 && i < len(x); i += columns {
		key := fmt.Sprint(x[i : i+columns])
		if _, found := seen[key]; !found {
			seen[key] = float32(len(seen))
		}
		out = append(out, []float32{seen[key]})
	}
	if columns == 0 {
		out = slices.Repeat(rows{{0}}, 12)
	}
	return out
}

// Vectors of other directions are not exact copies, though their reduction lost the difference; a vector of zeros is
// similar to nothing; and what differs by its length alone has similarity 1.
func TestCosineIsOfTheEmbeddings(t *testing.T) {
	embeddings := rows{{1, 0, 0}, {0, 1, 0}, {0, 0, 0}, {.1, .7, .3}, {.3, 2.1, .9}, {.5, 3.5, 1.5}, {0, 0, 0}}
	o := Options{Neighbors: 7, Strategy: Cosine{1}, MaxClusterSize: 50, Threads: 1}
	got, err := Find(context.Background(), plain(7), []float64{1, 1, 1, 1, 1, 1, 1}, 1, embeddings, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{-1, -1, 0, 1, 1, 1, 0}, got.ClusterOf); diff != "" || got.ExactCopies != 1 {
		t.Errorf("%d exact copies; clusters (-want +got):\n%s", got.ExactCopies, diff)
	}
	o.Strategy = Cosine{.5}
	if got, err = Find(context.Background(), plain(7), []float64{1, 1, 1, 1, 1, 1, 1}, 1, embeddings, o); err != nil || got.ClusterOf[0] >= 0 || len(got.Clusters[got.ClusterOf[2]].Members) != 2 {
		t.Errorf("a vector of zeros is similar to something: %v, %v", got.ClusterOf, err)
	}
}

// Copies of one vector are at distance 0 from their centroid.
func TestClusterOfCopiesHasMeanZero(t *testing.T) {
	got := find(t, 0, []on{{at: .1}, {at: .1}, {at: .1}, {at: .7}, {at: .7}, {at: .7}, {at: 3}})
	for _, c := range got.Clusters {
		if c.Mean != 0 || c.Diameter != 0 {
			t.Errorf("mean %g, diameter %g", c.Mean, c.Diameter)
		}
	}
}

func (r rows) Dimensions() int     { return len(r[0]) }
func (r rows) Row(i int) []float32 { return r[i] }

// A large cluster's statistics are bounds, not pairs.
func TestLargeCluster(t *testing.T) {
	var line []on
	for i := range maxPairwise + 3 {
		line = append(line, on{at: 1000 + float64(i)})
	}
	got := find(t, 1, line)
	if len(got.Clusters) != 1 || len(got.Clusters[0].Members) != len(line) || !got.Clusters[0].Oversized {
		t.Fatalf("%d clusters", len(got.Clusters))
	}
	c := got.Clusters[0]
	if medoid := got.Samples[c.Medoid].Index / 10; medoid != (len(line)-1)/2 {
		t.Errorf("medoid %d", medoid)
	}
	first, last := c.Members[0].Row, c.Members[len(line)-1].Row
	if min(first, last) != 0 || max(first, last) != len(line)-1 {
		t.Errorf("order from %d to %d", first, last)
	}
}
