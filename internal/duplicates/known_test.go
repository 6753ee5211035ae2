package duplicates

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// A delivery is compared with a corpus of samples scattered far apart, some of them duplicates of each other.
type delivery struct {
	columns      int
	old, new     [][]float64
	known, exact map[int]int // by new row the old one that it was made of
	gap          float64     // up to which samples are linked
}

func deliver(random *rand.Rand) delivery {
	d := delivery{columns: 3 + random.IntN(4), known: map[int]int{}, exact: map[int]int{}, gap: 1e-3}
	row := func() []float64 {
		x := make([]float64, d.columns)
		for c := range x {
			x[c] = random.NormFloat64() * float64(1+3*c)
		}
		return x
	}
	jitter := func(x []float64) []float64 {
		y := slices.Clone(x)
		y[random.IntN(len(y))] += 1e-5 * (1 + random.Float64())
		return y
	}
	for range 20 + random.IntN(60) {
		d.old = append(d.old, row())
	}
	for range 3 {
		d.old = append(d.old, slices.Clone(d.old[0]), jitter(d.old[1]))
	}
	random.Shuffle(len(d.old), func(a, b int) { d.old[a], d.old[b] = d.old[b], d.old[a] })
	for range 5 + random.IntN(20) {
		from := random.IntN(len(d.old))
		switch random.IntN(3) {
		case 0:
			d.exact[len(d.new)], d.known[len(d.new)] = from, from
			d.new = append(d.new, slices.Clone(d.old[from]))
		case 1:
			d.known[len(d.new)] = from
			d.new = append(d.new, jitter(d.old[from]))
		default:
			d.new = append(d.new, row())
		}
	}
	return d
}

func (d delivery) everyRow() []int {
	all := make([]int, len(d.new))
	for i := range all {
		all[i] = i
	}
	return all
}

// find compares some of the new rows with the old ones.
func (d delivery) find(t *testing.T, rows []int, edit ...func(*Options)) *Result {
	t.Helper()
	var samples []Sample
	var vectors, norms []float64
	for _, row := range rows {
		samples = append(samples, Sample{Index: row, ID: fmt.Sprint("new ", row)})
		vectors = append(vectors, d.new[row]...)
	}
	for row, x := range d.old {
		samples = append(samples, Sample{Index: row, ID: fmt.Sprint("old ", row), Baseline: true})
		vectors = append(vectors, x...)
		norms = append(norms, x...)
	}
	embeddings := rowsOf(vectors, d.columns)
	norms = columnNorms(norms, d.columns)
	o := Options{Neighbors: 10, Strategy: Frozen{Distance: d.gap}, MaxClusterSize: 50, Threads: 1, Norms: norms, NearMisses: 40}
	for _, e := range edit {
		e(&o)
	}
	r, err := Find(t.Context(), samples, vectors, d.columns, embeddings, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Of a delivery every planted copy is found, by the old sample that it was made of; the rest is new, and what the
// corpus holds twice is nobody's concern.
func TestPlantedCopiesAreKnown(t *testing.T) {
	for seed := range uint64(80) {
		random := rand.New(rand.NewPCG(seed, 30))
		d := deliver(random)
		r := d.find(t, d.everyRow())
		if diff := gocmp.Diff(&Known{Baseline: len(d.old), Samples: len(d.known), ExactCopies: len(d.exact)}, r.Known); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		if r.Scale != len(d.old) {
			t.Fatalf("seed %d: the scale is %d of %d old samples", seed, r.Scale, len(d.old))
		}
		near := duplicate(r)
		for row, from := range d.known {
			if r.ClusterOf[row] < 0 || r.ClusterOf[row] != r.ClusterOf[len(d.new)+from] {
				t.Fatalf("seed %d: new row %d was made of old row %d and is not in its cluster", seed, row, from)
			}
			if _, exact := d.exact[row]; !exact && !near(row, len(d.new)+from) {
				t.Fatalf("seed %d: new row %d is not linked to old row %d, of which it was made", seed, row, from)
			}
		}
		onlyOld(t, r)
		// A sample that was not planted is alone, so it alone is new.
		want := Share{
			Samples: len(d.new), DuplicateSamples: len(d.known), EffectiveSize: len(d.new) - len(d.known), WeightedSize: r.Total.WeightedSize,
		}
		if diff := gocmp.Diff(want, r.Total); diff != "" {
			t.Fatalf("seed %d: total (-want +got):\n%s", seed, diff)
		}
		var gone []int
		for _, removal := range r.Removals(Rule{}) {
			gone = append(gone, removal.Row)
			if removal.Keeper < len(d.new) || r.ClusterOf[removal.Row] != r.ClusterOf[removal.Keeper] {
				t.Fatalf("seed %d: %+v, and the baseline has it", seed, removal)
			}
			if exact := slices.Equal(d.new[removal.Row], d.old[removal.Keeper-len(d.new)]); exact != removal.Exact {
				t.Fatalf("seed %d: %+v, identical: %t", seed, removal, exact)
			}
		}
		if len(gone) != len(d.known) {
			t.Fatalf("seed %d: rows %v are to go, want those of %v", seed, gone, d.known)
		}
	}
}

// onlyOld refuses what joins two samples of a baseline with nothing new between them.
func onlyOld(t *testing.T, r *Result) {
	t.Helper()
	audited := r.Audited()
	for _, l := range slices.Concat(r.Links, r.NearMisses) {
		if min(l.A, l.B) >= audited {
			t.Fatalf("%+v joins two samples of the baseline", l)
		}
	}
	for _, c := range r.Clusters {
		if slices.Min(c.Rows()) >= audited {
			t.Fatalf("cluster %v is of the baseline alone", c.Rows())
		}
	}
	for _, rows := range r.CopyGroups() {
		if rows[len(rows)-2] >= audited {
			t.Fatalf("copies %v within the baseline", rows)
		}
	}
}

// The distance between two samples doesn't depend on what else is delivered, to the bit; nor does whether one is known.
func TestDeliveryInParts(t *testing.T) {
	shared := 0
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 31))
		d := deliver(random)
		every := func(o *Options) { o.Neighbors = len(d.old) + len(d.new) }
		all := d.everyRow()
		whole := distances(d.find(t, all, every))
		part := slices.DeleteFunc(slices.Clone(all), func(int) bool { return random.IntN(2) == 0 })
		if len(part) == 0 {
			continue
		}
		some := distances(d.find(t, part, every))
		for pair, distance := range some {
			if whole[pair] != distance {
				t.Fatalf("seed %d: %v are %g apart, and %g in the whole delivery", seed, pair, distance, whole[pair])
			}
		}
		for pair, distance := range whole {
			var row int
			if n, err := fmt.Sscanf(pair[0], "new %d", &row); n != 1 {
				t.Fatalf("%v: %v", pair, err)
			}
			_, found := some[pair]
			if wanted := slices.Contains(part, row) && pair[1][:3] == "old"; wanted && !found {
				t.Fatalf("seed %d: %v, %g apart, are not a pair of a part", seed, pair, distance)
			}
		}
		shared += len(some)
	}
	if shared < 100 {
		t.Errorf("only %d pairs", shared)
	}
}

// distances are those of all linked pairs, and 0 of copies, by their names.
func distances(r *Result) map[[2]string]float64 {
	out := map[[2]string]float64{}
	name := func(a, b int) [2]string { return [2]string{r.Samples[min(a, b)].ID, r.Samples[max(a, b)].ID} }
	r.pairs(func(a, b []int) {
		for _, x := range a {
			for _, y := range b {
				if x != y && min(x, y) < r.Audited() {
					out[name(x, y)] = 0
				}
			}
		}
	})
	for _, l := range r.Links {
		for _, x := range r.Copies(l.A) {
			for _, y := range r.Copies(l.B) {
				if min(x, y) < r.Audited() {
					out[name(x, y)] = l.Distance
				}
			}
		}
	}
	return out
}

// With a baseline the threshold of Distance is by the number of its samples, whose norms divide the columns.
func TestDistanceIsOfTheBaseline(t *testing.T) {
	d := deliver(rand.New(rand.NewPCG(1, 32)))
	for _, n := range []int{1, 2, len(d.new)} {
		r := d.find(t, d.everyRow()[:n], func(o *Options) { o.Strategy = Distance{.5} })
		if want := .5 / math.Sqrt(float64(len(d.old))); r.Threshold.Distance != want {
			t.Errorf("%d new samples: the threshold is %g, want %g", n, r.Threshold.Distance, want)
		}
	}
}
