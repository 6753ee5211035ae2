package duplicates

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A tangle is what Find puts together, out of links that no geometry would give: any two distinct vectors may be linked
// at any distance, many of them equal. So it reaches states that points on a line don't.
type tangle struct {
	audited int
	values  []float32 // the one number of each row's embedding
	sets    [][]int   // rows judged apart
	links   []Link    // before any is left out
}

var splitNames = []string{"train", "test", "val", ""}

// newTangle has up to half of its rows in a baseline if it is to have one.
func newTangle(random *rand.Rand, baseline bool) tangle {
	n := 2 + random.IntN(22)
	g := tangle{audited: n, values: make([]float32, n), sets: judgements(random, n)}
	if baseline {
		g.audited = n - 1 - random.IntN((n+1)/2)
	}
	kinds := 1 + random.IntN(n) // few: copies; many: links
	for i := range g.values {
		g.values[i] = float32(random.IntN(kinds))
	}
	firsts := g.copies(g.sets).firsts
	often := []float64{.02, .1, .3}[random.IntN(3)]
	for i, a := range firsts {
		for _, b := range firsts[i+1:] {
			if a < g.audited && random.Float64() < often {
				g.links = append(g.links, Link{A: a, B: b, Distance: float64(random.IntN(5))})
			}
		}
	}
	return g
}

func (g tangle) copies(sets [][]int) copies {
	return findCopies(len(g.values), g.audited, func(i int) []float32 { return g.values[i : i+1] }, newApart(sets, never))
}

// result makes the clusters as Find does, with splits, labels and what decides who stays drawn at random.
func (g tangle) result(random *rand.Rand, maxClusterSize int) *Result {
	samples, vectors := plain(len(g.values)), make([]float64, 2*len(g.values))
	for i := range samples {
		samples[i].Split = splitNames[random.IntN(len(splitNames))]
		samples[i].Labels = []string{"a", "b", "c"}[random.IntN(4):3:3]
		samples[i].Pixels, samples[i].Score = int64(random.IntN(3)), []float64{math.NaN(), math.Inf(-1), 0, 2}[random.IntN(4)]
		samples[i].Baseline = i >= g.audited
	}
	r := &Result{Samples: samples, copies: g.copies(g.sets), apart: newApart(g.sets, never), evaluation: []string{"test", "val"}}
	for i := range vectors { // copies have one vector
		at := r.Copies(i / 2)[0]
		vectors[i] = math.Sin(float64(2*at + i%2))
	}
	r.Links = r.constrain(slices.Clone(g.links))
	r.cluster(vectors, 2, Options{MaxClusterSize: maxClusterSize})
	r.assess()
	return r
}

// Verdicts against merging set by set: again and again the closest two rows that a link joins and no verdict keeps
// apart.
func TestConstrainAgainstMerging(t *testing.T) {
	broken, whole := 0, 0
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 20))
		g := newTangle(random, seed%2 == 0)
		r := g.result(random, 50)
		sets := merged(g, r)
		var kept []Link // joins nothing that is apart in the end, and nothing else is lost
		for _, l := range g.links {
			if sets[l.A] == sets[l.B] {
				kept = append(kept, l)
			}
		}
		if diff := cmp.Diff(kept, r.Links); diff != "" && len(kept)+len(r.Links) > 0 {
			t.Fatalf("seed %d, apart %v: links (-want +got):\n%s", seed, g.sets, diff)
		}
		for a := range r.Samples {
			for b := range a {
				got := r.ClusterOf[a] >= 0 && r.ClusterOf[a] == r.ClusterOf[b]
				if want := sets[a] == sets[b]; got != want {
					t.Fatalf("seed %d, apart %v: rows %d and %d share a cluster: %t, want %t", seed, g.sets, b, a, got, want)
				}
				if got && judged(g.sets, a, b) {
					t.Fatalf("seed %d: rows %d and %d are judged apart and share a cluster", seed, b, a)
				}
			}
		}
		if broken += len(g.links) - len(r.Links); len(g.sets) == 0 {
			whole++
			if len(r.Links) != len(g.links) {
				t.Fatalf("seed %d: links are left out without a verdict", seed)
			}
		}
	}
	if broken < 100 || whole < 50 {
		t.Errorf("%d links are left out, %d of the tangles are without verdicts: too few to show anything", broken, whole)
	}
}

// merged gives each row the number of its set.
func merged(g tangle, r *Result) []int {
	sets := make([]int, len(g.values))
	for row := range sets {
		sets[row] = r.Copies(row)[0]
	}
	apart := func(x, y int) bool {
		for a := range sets {
			for b := range sets {
				if sets[a] == x && sets[b] == y && judged(g.sets, a, b) {
					return true
				}
			}
		}
		return false
	}
	for {
		closest := Link{A: -1}
		for _, l := range g.links {
			x, y := sets[l.A], sets[l.B]
			if x != y && !apart(x, y) && (closest.A < 0 || l.Distance < closest.Distance ||
				l.Distance == closest.Distance && (l.A < closest.A || l.A == closest.A && l.B < closest.B)) {
				closest = l
			}
		}
		if closest.A < 0 {
			return sets
		}
		from, to := sets[closest.B], sets[closest.A]
		for row := range sets {
			if sets[row] == from {
				sets[row] = to
			}
		}
	}
}

// Neither the order of the verdicts, nor that of their rows, nor saying one twice or of one row alone, changes
// anything.
func TestConstrainIgnoresOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 21))
		g := newTangle(random, seed%2 == 0)
		again := g
		again.sets = [][]int{{random.IntN(len(g.values))}, {}}
		for _, i := range random.Perm(len(g.sets)) {
			rows := slices.Clone(g.sets[i])
			random.Shuffle(len(rows), func(a, b int) { rows[a], rows[b] = rows[b], rows[a] })
			again.sets = append(again.sets, rows, append(rows, rows[0]))
		}
		again.links = slices.Clone(g.links)
		random.Shuffle(len(again.links), func(a, b int) { again.links[a], again.links[b] = again.links[b], again.links[a] })
		if len(g.sets) == 0 {
			again.links = g.links // come sorted
		}
		want := g.result(rand.New(rand.NewPCG(seed, 22)), 50)
		got := again.result(rand.New(rand.NewPCG(seed, 22)), 50)
		bits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
		if diff := cmp.Diff(want, got, bits, cmp.AllowUnexported(Result{}, copies{})); diff != "" {
			t.Fatalf("seed %d, apart %v (-first +second):\n%s", seed, g.sets, diff)
		}
	}
}

// Without verdicts clusters are the connected components: by walking from row to row.
func TestComponentsWithoutVerdicts(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 23))
		g := newTangle(random, false)
		g.sets = nil
		firsts := g.copies(nil).firsts // fewer than with verdicts
		g.links = slices.DeleteFunc(g.links, func(l Link) bool { return !slices.Contains(firsts, l.A) || !slices.Contains(firsts, l.B) })
		r := g.result(random, 50)
		near := duplicate(r)
		var rows []int
		for row := range r.Samples {
			rows = append(rows, row)
		}
		for start := range r.Samples {
			reached := component(start, rows, func(a, b int) bool { return near(a, b) || g.values[a] == g.values[b] })
			for other := range r.Samples {
				if got := start == other || r.ClusterOf[start] >= 0 && r.ClusterOf[start] == r.ClusterOf[other]; got != reached[other] {
					t.Fatalf("seed %d: row %d shares the cluster of %d: %t", seed, other, start, got)
				}
			}
		}
	}
}
