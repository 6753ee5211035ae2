package atlas

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// rows are a data set to lay out: N×D.
type rows = neighbors.Matrix[float32]

// planted returns clusters of 200 rows in 20 dimensions, normally distributed with deviation 1 around centers of
// deviation 3. Row i is of cluster i mod clusters.
func planted(clusters int) rows {
	const d = 20
	random := rand.New(rand.NewPCG(1, 2))
	centers := make([]float64, clusters*d)
	for i := range centers {
		centers[i] = 3 * random.NormFloat64()
	}
	x := rows{Data: make([]float32, clusters*200*d), N: clusters * 200, D: d}
	for i := range x.Data {
		x.Data[i] = float32(centers[i%len(centers)] + random.NormFloat64())
	}
	return x
}

// curved returns a strip of N rows in three dimensions and, in 20 with some noise, how far along the strip each is.
func curved(n int, at func(along, across float64) [3]float64) (rows, []float64) {
	random := rand.New(rand.NewPCG(1, 2))
	x := rows{Data: make([]float32, n*20), N: n, D: 20}
	along := make([]float64, n)
	for i := range n {
		along[i] = random.Float64()
		point := at(along[i], random.Float64())
		for c := range 20 {
			x.Data[i*20+c] = float32(0.02 * random.NormFloat64())
			if c < 3 {
				x.Data[i*20+c] += float32(point[c])
			}
		}
	}
	return x, along
}

func ring(along, _ float64) [3]float64 {
	sin, cos := math.Sincos(2 * math.Pi * along)
	return [3]float64{5 * cos, 5 * sin, 0}
}

func swissRoll(along, across float64) [3]float64 {
	angle := 1.5 * math.Pi * (1 + 2*along)
	return [3]float64{angle * math.Cos(angle), 4 * across, angle * math.Sin(angle)}
}

func graphOf(t testing.TB, x rows, k int) Graph {
	t.Helper()
	r, err := neighbors.Search(t.Context(), x, neighbors.Options{K: k})
	if err != nil {
		t.Fatal(err)
	}
	return Graph{N: x.N, K: r.K, Index: r.Index, Distance: r.Distance}
}

func layOut(t testing.TB, g Graph, start []float32, o Options) []float32 {
	t.Helper()
	y, err := Layout(t.Context(), g, start, o)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// principal returns the first two principal components of x (N×2), by orthogonal iteration.
func principal(x rows) []float32 {
	mean := make([]float64, x.D)
	for i, v := range x.Data {
		mean[i%x.D] += float64(v) / float64(x.N)
	}
	axes := [2][]float64{make([]float64, x.D), make([]float64, x.D)}
	for c := range x.D {
		axes[0][c], axes[1][c] = 1, float64(c)
	}
	scores := make([]float32, 2*x.N)
	for range 50 {
		next := [2][]float64{make([]float64, x.D), make([]float64, x.D)}
		for i := range x.N {
			for a := range axes {
				var dot float64
				for c, m := range mean {
					dot += (float64(x.Data[i*x.D+c]) - m) * axes[a][c]
				}
				scores[2*i+a] = float32(dot)
				for c, m := range mean {
					next[a][c] += dot * (float64(x.Data[i*x.D+c]) - m)
				}
			}
		}
		var dot, square float64
		for c, v := range next[0] {
			dot, square = dot+v*next[1][c], square+v*v
		}
		for c, v := range next[0] {
			next[1][c] -= dot / square * v
		}
		for a := range next {
			var square float64
			for _, v := range next[a] {
				square += v * v
			}
			for c := range next[a] {
				next[a][c] /= math.Sqrt(square)
			}
		}
		axes = next
	}
	return scores
}

// quality is how well a map keeps the neighborhoods of its rows.
type quality struct {
	trust        float64 // trustworthiness (Venna, Kaski, 2001) of 10 neighbors
	in10, in30   float64 // share of the 10 nearest on the map that are among the 10 and 30 nearest in x
	neighborhood []int32 // N×10, the nearest on the map
}

// measure takes a graph of all rows as neighbors of all others, and their map.
func measure(t testing.TB, all Graph, y []float32) quality {
	t.Helper()
	q := quality{neighborhood: graphOf(t, rows{Data: y, N: all.N, D: 2}, 10).Index}
	rank := make([]int, all.N)
	var excess float64
	for i := range all.N {
		for k, j := range all.Index[i*all.K : (i+1)*all.K] {
			rank[j] = k + 1
		}
		for _, j := range q.neighborhood[i*10 : (i+1)*10] {
			excess += float64(max(rank[j]-10, 0))
			if rank[j] <= 10 {
				q.in10 += 1 / float64(10*all.N)
			}
			if rank[j] <= 30 {
				q.in30 += 1 / float64(10*all.N)
			}
		}
	}
	n := float64(all.N)
	q.trust = 1 - 2/(n*10*(2*n-31))*excess
	return q
}

func (q quality) String() string {
	return fmt.Sprintf("trustworthiness %.4f, of the 10 nearest %.3f among 10, %.3f among 30", q.trust, q.in10, q.in30)
}

func TestClusters(t *testing.T) {
	x := planted(10)
	pca, all, nearest := principal(x), graphOf(t, x, x.N-1), graphOf(t, x, 15)
	before := measure(t, all, pca)
	t.Log("PCA:       ", before)
	for name, start := range map[string][]float32{"from PCA:  ": pca, "at random: ": nil} {
		after := measure(t, all, layOut(t, nearest, start, Options{}))
		t.Log(name, after)
		same := 0
		for at, j := range after.neighborhood {
			if int(j)%10 == at/10%10 {
				same++
			}
		}
		if purity := float64(same) / float64(len(after.neighborhood)); purity < 0.98 {
			t.Errorf("%s %v of the neighbors are of the same cluster", name, purity)
		}
		if after.trust < before.trust+0.03 || after.in10 < 3*before.in10 || after.in30 < 2*before.in30 {
			t.Errorf("%s hardly better than PCA", name)
		}
	}
}

// TestManifolds wants neighbors on the map to be neighbors along the strip.
func TestManifolds(t *testing.T) {
	for name, at := range map[string]func(along, across float64) [3]float64{"ring": ring, "Swiss roll": swissRoll} {
		t.Run(name, func(t *testing.T) {
			x, along := curved(1000, at)
			pca, all := principal(x), graphOf(t, x, x.N-1)
			after := measure(t, all, layOut(t, graphOf(t, x, 15), pca, Options{}))
			t.Log("PCA:", measure(t, all, pca))
			t.Log("map:", after)
			apart := 0
			for at, j := range after.neighborhood {
				if d := math.Abs(along[at/10] - along[j]); min(d, 1-d) > 0.05 {
					apart++
				}
			}
			if share := float64(apart) / float64(len(after.neighborhood)); share > 0.005 {
				t.Errorf("%v of the neighbors on the map are far apart along the strip", share)
			}
		})
	}
}

const tsne = `
import sys, numpy as np
from sklearn.manifold import TSNE, trustworthiness
n, d = 600, 20
data = np.frombuffer(sys.stdin.buffer.read(), dtype="<f4")
x, ours = data[:n * d].reshape(n, d), data[n * d:].reshape(n, 2)
theirs = TSNE(init="pca", learning_rate="auto", random_state=0).fit_transform(x)
print(trustworthiness(x, ours, n_neighbors=10), trustworthiness(x, theirs, n_neighbors=10))
`

func TestAgainstScikitLearn(t *testing.T) {
	if exec.Command("/usr/bin/python3", "-c", "import sklearn.manifold").Run() != nil {
		t.Skip("python3-sklearn is not installed")
	}
	x := planted(3)
	y := layOut(t, graphOf(t, x, 15), principal(x), Options{})
	var input bytes.Buffer
	for _, values := range [][]float32{x.Data, y} {
		if err := binary.Write(&input, binary.LittleEndian, values); err != nil {
			t.Fatal(err)
		}
	}
	python := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", tsne)
	python.Stdin = &input
	python.Env = append(os.Environ(), "OMP_NUM_THREADS=1")
	out, err := python.Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs float64
	if _, err := fmt.Sscan(string(out), &ours, &theirs); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	t.Logf("trustworthiness %.4f, of scikit-learn's t-SNE %.4f", ours, theirs)
	if measured := measure(t, graphOf(t, x, x.N-1), y).trust; math.Abs(ours-measured) > 1e-6 {
		t.Errorf("these tests take it for %v", measured)
	}
	if ours < theirs-0.02 {
		t.Error("more than 0.02 below")
	}
}

func TestSameForAnyThreads(t *testing.T) {
	x := planted(5)
	g := graphOf(t, x, 15)
	for name, start := range map[string][]float32{"PCA": principal(x), "random": nil} {
		want := layOut(t, g, start, Options{Threads: 1, Epochs: 30, Seed: 7})
		for _, threads := range []int{2, 3, 8} {
			if got := layOut(t, g, start, Options{Threads: threads, Epochs: 30, Seed: 7}); !slices.Equal(got, want) {
				t.Errorf("from %s: %d threads make another map than one", name, threads)
			}
		}
		if got := layOut(t, g, start, Options{Epochs: 30, Seed: 8}); slices.Equal(got, want) {
			t.Errorf("from %s: the seed has no effect", name)
		}
	}
}

// TestEpoch holds one epoch against the gradient of t-SNE, written down with dense matrices.
func TestEpoch(t *testing.T) {
	x := planted(2)
	g := graphOf(t, x, 15)
	random := rand.New(rand.NewPCG(1, 2))
	y := make([]float32, 2*x.N)
	for i := range y {
		y[i] = float32(3 * random.NormFloat64())
	}
	l := layout{
		threads: 2, affinity: affinitiesOf(t.Context(), g, 2), repulsion: newField(x.N, 2),
		positions: slices.Clone(y), next: make([]float32, 2*x.N), steps: make([]float32, 2*x.N),
	}
	l.epoch(t.Context(), false)

	sum, repulsion := slowRepulsion(y)
	var missed, square float64
	for i := range x.N {
		force := [2]float64{repulsion[2*i] / sum * float64(x.N), repulsion[2*i+1] / sum * float64(x.N)}
		var total float64
		for _, e := range l.affinity.row(i) {
			dx, dy := float64(y[2*e.to]-y[2*i]), float64(y[2*e.to+1]-y[2*i+1])
			q := float64(e.weight) / (1 + dx*dx + dy*dy)
			force[0], force[1], total = force[0]+q*dx, force[1]+q*dy, total+float64(e.weight)
		}
		for axis, f := range force {
			want := rate * f / max(total, 1)
			missed += math.Pow(float64(l.positions[2*i+axis]-y[2*i+axis])-want, 2)
			square += want * want
		}
	}
	if share := math.Sqrt(missed / square); share > 0.05 {
		t.Errorf("steps are off by %v of their root mean square", share)
	}
}

// complete returns a graph in which every row has the others of its group of k+1 rows as neighbors.
func complete(groups, k int, distance float64) Graph {
	g := Graph{N: groups * (k + 1), K: k}
	for i := range g.N {
		first := i / (k + 1) * (k + 1)
		for j := first; j <= first+k; j++ {
			if j != i {
				g.Index, g.Distance = append(g.Index, int32(j)), append(g.Distance, distance)
			}
		}
	}
	return g
}

func TestDegenerate(t *testing.T) {
	none := Graph{N: 30, K: 2, Index: slices.Repeat([]int32{-1}, 60), Distance: make([]float64, 60)}
	for name, test := range map[string]struct {
		graph Graph
		start []float32
	}{
		"no rows":              {Graph{}, nil},
		"a row":                {Graph{N: 1}, []float32{5, 5}},
		"rows without edges":   {Graph{N: 40}, nil},
		"no neighbors":         {none, nil},
		"a pair":               {complete(1, 1, 1), []float32{0, 0, 1, 1}},
		"a pair of copies":     {complete(1, 1, 0), nil},
		"copies":               {complete(1, 40, 0), nil},
		"too far":              {complete(3, 4, math.Inf(1)), nil},
		"many pairs":           {complete(200, 1, 1), nil},
		"groups":               {complete(30, 9, 0.5), nil},
		"one point":            {complete(30, 9, 0.5), make([]float32, 600)},
		"a start of any scale": {complete(1, 1, 1), []float32{-math.MaxFloat32, 1, math.MaxFloat32, 0}},
		"a lopsided start":     {complete(1, 2, 1), []float32{-math.MaxFloat32, 1, math.MaxFloat32, 0, math.MaxFloat32, 0}},
		"a tiny start":         {complete(1, 1, 1), []float32{0, 0, math.SmallestNonzeroFloat32, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			y := layOut(t, test.graph, test.start, Options{Epochs: 100})
			if len(y) != 2*test.graph.N {
				t.Fatalf("%d values for %d rows", len(y), test.graph.N)
			}
			var mean [2]float64
			bound := 20 + 10*math.Sqrt(float64(test.graph.N))
			for i, v := range y {
				if !(math.Abs(float64(v)) < bound) {
					t.Fatalf("row %d is at %v, beyond %v", i/2, v, bound)
				}
				mean[i%2] += float64(v) / float64(test.graph.N)
			}
			if math.Abs(mean[0]) > 1e-4 || math.Abs(mean[1]) > 1e-4 {
				t.Errorf("the mean is %v", mean)
			}
		})
	}
}

// TestComponents wants components that nothing connects to stay apart, and near: more epochs don't drive them away.
func TestComponents(t *testing.T) {
	g := complete(20, 15, 1)
	width := func(epochs int) float32 {
		y := layOut(t, g, nil, Options{Epochs: epochs})
		return slices.Max(y) - slices.Min(y)
	}
	short, long := width(200), width(800)
	t.Logf("%v wide after 200 epochs, %v after 800", short, long)
	if long > 1.5*short {
		t.Error("components fly apart")
	}
}

// TestCopies wants copies to be neighbors on the map.
func TestCopies(t *testing.T) {
	x := planted(5)
	for i := 0; i < 100; i += 2 {
		copy(x.Data[(i+1)*x.D:(i+2)*x.D], x.Data[i*x.D:(i+1)*x.D])
	}
	y := layOut(t, graphOf(t, x, 15), principal(x), Options{})
	nearest := graphOf(t, rows{Data: y, N: x.N, D: 2}, 10)
	found := 0
	for i := 0; i < 100; i += 2 {
		if slices.Contains(nearest.Index[i*10:(i+1)*10], int32(i+1)) {
			found++
		}
	}
	if found < 49 {
		t.Errorf("%d of 50 pairs of copies are near each other", found)
	}
}

func TestErrors(t *testing.T) {
	nan := float32(math.NaN())
	pair := complete(1, 1, 1)
	for want, test := range map[string]struct {
		graph Graph
		start []float32
		o     Options
	}{
		"a graph of -1 rows":                   {graph: Graph{N: -1}},
		"1 neighbors and 2 distances":          {graph: Graph{N: 2, K: 1, Index: []int32{1}, Distance: []float64{1, 1}}},
		"row 1 has the neighbor 2 of 2 rows":   {graph: Graph{N: 2, K: 1, Index: []int32{1, 2}, Distance: []float64{1, 1}}},
		"row 0 has a neighbor at distance NaN": {graph: complete(1, 1, math.NaN())},
		"row 0 has a neighbor at distance -1":  {graph: complete(1, 1, -1)},
		"a start of 2 values for 2 rows":       {graph: pair, start: []float32{1, 2}},
		"row 1 starts at NaN":                  {graph: pair, start: []float32{1, 2, 3, nan}},
		"-1 threads":                           {graph: pair, o: Options{Threads: -1}},
		"-1 epochs":                            {graph: pair, o: Options{Epochs: -1}},
	} {
		_, err := Layout(t.Context(), test.graph, test.start, test.o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestProgress(t *testing.T) {
	var got [][2]int
	note := func(done, total int) { got = append(got, [2]int{done, total}) }
	layOut(t, complete(2, 3, 1), nil, Options{Epochs: 3, Progress: note})
	if diff := cmp.Diff([][2]int{{1, 3}, {2, 3}, {3, 3}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	last := 0
	_, err := Layout(ctx, complete(20, 5, 1), nil, Options{Progress: func(done, _ int) {
		last = done
		if done == 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || last != 10 {
		t.Errorf("%v after %d epochs, want it canceled after 10", err, last)
	}
}

func BenchmarkLayout(b *testing.B) {
	for _, n := range []int{10_000, 60_000} {
		random := rand.New(rand.NewPCG(1, 2))
		x := rows{Data: make([]float32, n*8), N: n, D: 8}
		for i := range x.Data {
			x.Data[i] = float32(random.NormFloat64() + 5*math.Sin(float64(i/8%40*(i%8+3))))
		}
		g, start := graphOf(b, x, 15), principal(x)
		b.Run(fmt.Sprintf("%dx15", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				layOut(b, g, start, Options{})
			}
		})
	}
}
