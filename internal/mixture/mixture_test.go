package mixture

import (
	ordered "cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gonum.org/v1/gonum/mat"
)

// planted draws n rows from k Gaussians whose means are apart by about that many standard deviations a column, with
// scales that fall by column as after PCA. Component c has a share in proportion to c+1.
func planted(r *rand.Rand, n, d, k int, apart float64) (x Matrix, of []int) {
	means, scales := make([]float64, k*d), make([]float64, k*d)
	for i := range means {
		scale := 1 / math.Sqrt(1+float64(i%d))
		means[i] = apart * scale * r.NormFloat64()
		scales[i] = scale * (0.7 + 0.6*r.Float64())
	}
	x = Matrix{Data: make([]float64, n*d), N: n, D: d}
	of = make([]int, n)
	for i := range n {
		c, left := 0, r.IntN(k*(k+1)/2)
		for left > c {
			left -= c + 1
			c++
		}
		of[i] = c
		shared := r.NormFloat64() // so that columns are correlated
		for j := range d {
			x.Data[i*d+j] = means[c*d+j] + scales[c*d+j]*(0.8*r.NormFloat64()+0.6*shared)
		}
	}
	return x, of
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func fit(t *testing.T, x Matrix, o Options) *Model {
	t.Helper()
	m, err := Fit(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func densities(t *testing.T, m *Model, x Matrix, threads int) []float64 {
	t.Helper()
	values, err := m.LogDensities(t.Context(), x, threads)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// someStart is a model of k components that begins at the first rows.
func someStart(t *testing.T, x Matrix, k int, c Covariance) *Model {
	t.Helper()
	weights, covariances := make([]float64, k), make([]float64, k*c.size(x.D))
	for i := range k {
		weights[i] = float64(i+1) / float64(k*(k+1)/2)
		for j := range x.D {
			at := i*x.D + j
			if c == Full {
				at = i*x.D*x.D + j*x.D + j
			}
			covariances[at] = 1 + float64(j)/10
		}
	}
	m, err := New(c, weights, slices.Clone(x.Data[:k*x.D]), covariances)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// componentDensity is the density of a Gaussian as it is defined, with gonum's determinant and inverse.
func componentDensity(m *Model, k int, row []float64) float64 {
	d := m.D()
	covariance := mat.NewDense(d, d, nil)
	for i := range d {
		if m.Covariance == Diagonal {
			covariance.Set(i, i, m.Covariances[k*d+i])
			continue
		}
		for j := range d {
			covariance.Set(i, j, m.Covariances[k*d*d+i*d+j])
		}
	}
	var inverse mat.Dense
	if err := inverse.Inverse(covariance); err != nil {
		panic(err)
	}
	difference := mat.NewVecDense(d, nil)
	for i := range d {
		difference.SetVec(i, row[i]-m.Means[k*d+i])
	}
	return math.Exp(-mat.Inner(difference, &inverse, difference)/2) / math.Sqrt(math.Pow(2*math.Pi, float64(d))*mat.Det(covariance))
}

// naiveStep is a step of EM with the N×K matrix of responsibilities.
func naiveStep(m *Model, x Matrix, regularization, prior float64) (weights, means, covariances []float64, logLikelihood float64) {
	k, d, n := m.K(), m.D(), x.N
	shares := mat.NewDense(n, k, nil)
	for i := range n {
		total := 0.0
		for c := range k {
			shares.Set(i, c, m.Weights[c]*componentDensity(m, c, x.row(i)))
			total += shares.At(i, c)
		}
		for c := range k {
			shares.Set(i, c, shares.At(i, c)/total)
		}
		logLikelihood += math.Log(total) / float64(n)
	}
	for c := range k {
		weight := mat.Sum(shares.ColView(c))
		mean := make([]float64, d)
		for i := range n {
			for j := range d {
				mean[j] += shares.At(i, c) * x.row(i)[j] / weight
			}
		}
		for a := range d {
			for b := range d {
				if m.Covariance == Diagonal && a != b {
					continue
				}
				v := 0.0
				for i := range n {
					v += shares.At(i, c) * (x.row(i)[a] - mean[a]) * (x.row(i)[b] - mean[b]) / weight
				}
				if a == b {
					v += regularization
				} else {
					v *= weight / (weight + prior)
				}
				covariances = append(covariances, v)
			}
		}
		weights, means = append(weights, weight/float64(n)), append(means, mean...)
	}
	return weights, means, covariances, logLikelihood
}

var kinds = []struct {
	name       string
	covariance Covariance
}{{"diagonal", Diagonal}, {"full", Full}}

var near = cmpopts.EquateApprox(1e-9, 1e-9)

func TestAgainstDefinition(t *testing.T) {
	for _, kind := range kinds {
		for _, shape := range []struct{ n, d, k int }{{300, 1, 2}, {300, 2, 1}, {1500, 5, 3}, {200, 7, 4}} {
			t.Run(fmt.Sprint(kind.name, shape), func(t *testing.T) {
				x, _ := planted(random(3), shape.n, shape.d, shape.k, 2)
				o := Defaults()
				o.Covariance, o.MaxIterations, o.Regularization, o.Shrinkage = kind.covariance, 1, 1e-3, 2
				// Two steps: the second begins with covariances that are full.
				o.Start = fit(t, x, with(o, func(o *Options) { o.Start = someStart(t, x, shape.k, kind.covariance) }))
				for i := range 20 {
					want := 0.0
					for k := range o.Start.K() {
						want += o.Start.Weights[k] * componentDensity(o.Start, k, x.row(i))
					}
					if diff := cmp.Diff(math.Log(want), o.Start.LogDensity(x.row(i)), near); diff != "" {
						t.Errorf("row %d: log density (-definition +got):\n%s", i, diff)
					}
				}
				weights, means, covariances, logLikelihood := naiveStep(o.Start, x, o.Regularization, o.Shrinkage*float64(shape.d+2))
				got := fit(t, x, o)
				want := &Model{
					Covariance: kind.covariance, Weights: weights, Means: means, Covariances: covariances, Iterations: 1, LogLikelihood: logLikelihood,
				}
				if diff := cmp.Diff(want, got, near, cmpopts.IgnoreUnexported(Model{})); diff != "" {
					t.Errorf("a step (-definition +got):\n%s", diff)
				}
			})
		}
	}
}

func with(o Options, change func(*Options)) Options {
	change(&o)
	return o
}

// Far from the origin sums of squares would lose all digits of a variance.
func TestFarFromOrigin(t *testing.T) {
	x, _ := planted(random(4), 2000, 3, 2, 3)
	far := Matrix{Data: slices.Clone(x.Data), N: x.N, D: x.D}
	for i := range far.Data {
		far.Data[i] += 0x1p30
	}
	for i := range x.Data { // what is left of the numbers beside 2^30
		x.Data[i] = far.Data[i] - 0x1p30
	}
	o := Defaults()
	o.Components = 2
	want, got := fit(t, x, o), fit(t, far, o)
	if diff := cmp.Diff(want.Covariances, got.Covariances, cmpopts.EquateApprox(1e-5, 0)); diff != "" {
		t.Errorf("variances (-near the origin +far):\n%s", diff)
	}
}

// With no regularization each step is one of maximum likelihood, and can't lower it.
func TestLikelihoodNeverFalls(t *testing.T) {
	for _, kind := range kinds {
		for seed := range uint64(8) {
			x, _ := planted(random(seed), 800, 4, 3, 1)
			o := Defaults()
			o.Covariance, o.Regularization, o.Shrinkage, o.MaxIterations, o.Seed = kind.covariance, 0, 0, 1, seed
			before := math.Inf(-1)
			for i := range 40 {
				m := fit(t, x, o)
				if m.LogLikelihood < before-1e-12 {
					t.Fatalf("%s, seed %d: step %d took the log likelihood from %v to %v", kind.name, seed, i, before, m.LogLikelihood)
				}
				before, o.Start = m.LogLikelihood, m
			}
		}
	}
}

func TestPlantedMixtureIsRecovered(t *testing.T) {
	for _, kind := range kinds {
		for seed := range uint64(5) {
			const d, k = 6, 4
			x, of := planted(random(seed), 4000, d, k, 6)
			o := Defaults()
			o.Covariance, o.Components, o.Seed, o.Threads = kind.covariance, k, seed, 2
			m := fit(t, x, o)
			if !m.Converged || m.Dropped != 0 {
				t.Errorf("%s, seed %d: converged %v, dropped %d", kind.name, seed, m.Converged, m.Dropped)
			}
			for c := range k {
				rows := rowsOf(of, c)
				if !slices.ContainsFunc(m.Weights, func(w float64) bool { return math.Abs(w-float64(len(rows))/4000) < 0.01 }) {
					t.Errorf("%s, seed %d: no component has the share of the %d planted rows: %v", kind.name, seed, len(rows), m.Weights)
				}
			}
		}
	}
}

// rowsOf returns the rows of a planted component.
func rowsOf(of []int, component int) (rows []int) {
	for i, c := range of {
		if c == component {
			rows = append(rows, i)
		}
	}
	return rows
}

func TestOutliersAreLeastFamiliar(t *testing.T) {
	for _, kind := range kinds {
		r := random(7)
		x, _ := planted(r, 3000, 8, 3, 3)
		outliers := []int{5, 77, 1023, 1024, 2047, 2048, 2999}
		for _, row := range outliers {
			for j := range x.D {
				x.row(row)[j] += 8 * float64(1-2*r.IntN(2)) / math.Sqrt(1+float64(j))
			}
		}
		o := Defaults()
		o.Components, o.Covariance = 3, kind.covariance
		values := densities(t, fit(t, x, o), x, 2)
		order := make([]int, x.N)
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return ordered.Compare(values[a], values[b]) })
		got := slices.Sorted(slices.Values(order[:len(outliers)]))
		if diff := cmp.Diff(outliers, got); diff != "" {
			t.Errorf("%s: least dense (-planted +got):\n%s", kind.name, diff)
		}
	}
}

// A component takes a far outlier for its own, unless components of so few rows are left out.
func TestLeastRows(t *testing.T) {
	for _, kind := range kinds {
		x, _ := planted(random(8), 3000, 4, 2, 3)
		const outlier = 1500
		for j := range x.D {
			x.row(outlier)[j] = 1000
		}
		for _, test := range []struct {
			least float64
			want  bool
		}{{0, false}, {10, true}} {
			o := Defaults()
			o.Covariance, o.LeastRows = kind.covariance, test.least
			m := fit(t, x, o)
			values := densities(t, m, x, 1)
			if got := values[outlier] == slices.Min(values); got != test.want {
				t.Errorf("%s: at least %v rows: the outlier is the least dense: %v, want %v", kind.name, test.least, got, test.want)
			}
			if m.K()+m.Dropped != o.Components || (m.Dropped > 0) != test.want {
				t.Errorf("%s: at least %v rows: %d components, %d dropped", kind.name, test.least, m.K(), m.Dropped)
			}
		}
		few := Matrix{Data: []float64{1, 2, 30}, N: 3, D: 1}
		if m := fit(t, few, with(Defaults(), func(o *Options) { o.LeastRows, o.Covariance = 10, kind.covariance })); m.K() == 0 {
			t.Errorf("%s: no component is left", kind.name)
		}
	}
}

func TestSameBitsOnAnyThreads(t *testing.T) {
	x, _ := planted(random(9), 9*blockRows+17, 5, 3, 1)
	for _, kind := range kinds {
		var want *Model
		var wantDensities []float64
		for _, threads := range []int{1, 2, 7} {
			o := Defaults()
			o.Covariance, o.Threads, o.MaxIterations = kind.covariance, threads, 15
			got := fit(t, x, o)
			if want == nil {
				want, wantDensities = got, densities(t, got, x, threads)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Model{})); diff != "" {
				t.Errorf("%s, %d threads (-one +these):\n%s", kind.name, threads, diff)
			}
			if !slices.Equal(wantDensities, densities(t, got, x, threads)) {
				t.Errorf("%s, %d threads: other densities", kind.name, threads)
			}
		}
	}
}

func TestSameBitsInAnyShards(t *testing.T) {
	r := random(11)
	for _, count := range []int{1, 2, 3, 8, 13} {
		x, _ := planted(r, (count-1)*blockRows+300, 3, 3, 1)
		m := someStart(t, x, 3, Full)
		o := Defaults()
		whole := m.NewSums()
		if err := whole.addAll(t.Context(), x, 1); err != nil {
			t.Fatal(err)
		}
		want, wantLikelihood, err := whole.Step(x.N, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			shards := []*Sums{m.NewSums(), m.NewSums(), m.NewSums()}
			for _, block := range r.Perm(count) {
				shards[r.IntN(3)].AddBlock(block, x)
			}
			all := m.NewSums()
			for _, i := range r.Perm(3) {
				all.Merge(shards[i])
			}
			got, likelihood, err := all.Step(x.N, o)
			if err != nil || likelihood != wantLikelihood {
				t.Fatalf("%d blocks: log likelihood %v instead of %v: %v", count, likelihood, wantLikelihood, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Model{})); diff != "" {
				t.Fatalf("%d blocks (-whole +shards):\n%s", count, diff)
			}
		}
	}
}

func TestMissingBlock(t *testing.T) {
	x, _ := planted(random(1), 3*blockRows, 2, 2, 1)
	sums := someStart(t, x, 2, Diagonal).NewSums()
	sums.AddBlock(0, x)
	sums.AddBlock(2, x)
	if _, _, err := sums.Step(x.N, Defaults()); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a step without block 1: %v", err)
	}
}

// The rows of a label are fitted where they lie, as if they were a matrix of their own.
func TestRowsOfMatrix(t *testing.T) {
	x, of := planted(random(13), 3000, 4, 3, 2)
	part := x
	part.Rows = rowsOf(of, 2)
	alone := Matrix{N: len(part.Rows), D: x.D}
	for _, row := range part.Rows {
		alone.Data = append(alone.Data, x.row(row)...)
	}
	o := Defaults()
	want, got := fit(t, alone, o), fit(t, part, o)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Model{})); diff != "" {
		t.Errorf("(-alone +within):\n%s", diff)
	}
	if !slices.Equal(densities(t, want, alone, 1), densities(t, got, part, 2)) {
		t.Error("other densities within the matrix")
	}
}

// The order of the start's components, and of the rows, is a matter of rounding only.
func TestOrderDoesNotMatter(t *testing.T) {
	x, _ := planted(random(15), 2000, 3, 3, 2)
	start := someStart(t, x, 3, Diagonal)
	var weights, means, covariances []float64
	for _, k := range []int{2, 0, 1} {
		weights, means = append(weights, start.Weights[k]), append(means, start.mean(k)...)
		covariances = append(covariances, start.Covariances[k*3:(k+1)*3]...)
	}
	turned, err := New(Diagonal, weights, means, covariances)
	if err != nil {
		t.Fatal(err)
	}
	shuffled := x
	shuffled.Rows = random(1).Perm(x.N)
	o := Defaults()
	o.Start = start
	want := densities(t, fit(t, x, o), x, 1)
	for name, values := range map[string][]float64{
		"components": densities(t, fit(t, x, with(o, func(o *Options) { o.Start = turned })), x, 1),
		"rows":       densities(t, fit(t, shuffled, o), x, 1),
	} {
		if diff := cmp.Diff(want, values, near); diff != "" {
			t.Errorf("other densities with the %s in another order:\n%s", name, diff)
		}
	}
}

func TestDegenerateRows(t *testing.T) {
	equal := slices.Repeat([]float64{3, -1, 7}, 10)
	constant, _ := planted(random(1), 500, 3, 2, 3)
	for i := range constant.N {
		constant.row(i)[1] = 1e5
	}
	one, _ := planted(random(2), 500, 1, 2, 5)
	for _, test := range []struct {
		name    string
		x       Matrix
		k, want int
	}{
		{"one row", Matrix{Data: []float64{1, 2}, N: 1, D: 2}, 5, 1},
		{"fewer rows than components", Matrix{Data: []float64{1, 2, 30}, N: 3, D: 1}, 5, 3},
		{"equal rows", Matrix{Data: equal, N: 10, D: 3}, 5, 1},
		{"two distinct rows", Matrix{Data: append(slices.Repeat([]float64{0}, 10), 1, 1), N: 4, D: 3}, 3, 2},
		{"constant column", constant, 2, 2},
		{"tiny numbers", Matrix{Data: []float64{1e-170, 2e-170, 3e-170}, N: 3, D: 1}, 2, 1},
		{"large numbers", Matrix{Data: []float64{1e100, -1e100, 0, 1e100}, N: 2, D: 2}, 2, 2},
		{"one column", one, 2, 2},
		{"no column", Matrix{N: 4}, 2, 1},
	} {
		for _, kind := range kinds {
			t.Run(test.name+" "+kind.name, func(t *testing.T) {
				o := Defaults()
				o.Components, o.Covariance = test.k, kind.covariance
				m := fit(t, test.x, o)
				if m.K() != test.want || m.Dropped != test.k-test.want || m.D() != test.x.D {
					t.Errorf("%d components of %d dimensions, %d dropped; want %d, %d, %d",
						m.K(), m.D(), m.Dropped, test.want, test.x.D, test.k-test.want)
				}
				for i, v := range densities(t, m, test.x, 1) {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("row %d: log density %v", i, v)
					}
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	good, _ := planted(random(1), 50, 2, 2, 3)
	bad := func(row int, v float64) Matrix {
		x := Matrix{Data: slices.Clone(good.Data), N: good.N, D: good.D}
		x.row(row)[1] = v
		return x
	}
	part := bad(30, math.NaN())
	part.Rows = []int{4, 30}
	beyond := good
	beyond.Rows = []int{50}
	for _, test := range []struct {
		name string
		x    Matrix
		o    Options
		want string
	}{
		{"NaN", bad(7, math.NaN()), Defaults(), "row 7, column 1 is NaN"},
		{"Inf", bad(49, math.Inf(-1)), Defaults(), "row 49, column 1 is -Inf"},
		{"too large", bad(0, 1e200), Defaults(), "row 0, column 1 is 1e+200"},
		{"NaN within", part, Defaults(), "row 30, column 1 is NaN"},
		{"no such row", beyond, Defaults(), "no row 50"},
		{"no rows", Matrix{D: 3}, Defaults(), "no rows"},
		{"shape", Matrix{Data: []float64{1, 2, 3}, N: 2, D: 2}, Defaults(), "3 numbers are not 2 rows of 2"},
		{"components", good, with(Defaults(), func(o *Options) { o.Components = 0 }), "components is 0"},
		{"iterations", good, with(Defaults(), func(o *Options) { o.MaxIterations = 0 }), "iterations is 0"},
		{"tolerance", good, with(Defaults(), func(o *Options) { o.Tolerance = math.NaN() }), "tolerance is NaN"},
		{"start", good, with(Defaults(), func(o *Options) { o.Start = someStart(t, Matrix{Data: make([]float64, 9), N: 3, D: 3}, 2, Diagonal) }), "the start"},
		{"no variance", Matrix{Data: make([]float64, 6), N: 3, D: 2}, with(Defaults(), func(o *Options) { o.Regularization = 0 }), "larger regularization"},
		{"no covariance", Matrix{Data: []float64{1, 2, 2, 4, 3, 6}, N: 3, D: 2}, with(Defaults(), func(o *Options) {
			o.Components, o.Covariance, o.Regularization, o.Shrinkage = 1, Full, 0, 0
		}), "not positive definite at column 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Fit(t.Context(), test.x, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := fit(t, good, Defaults()).LogDensities(t.Context(), Matrix{Data: []float64{1, 2, 3}, N: 1, D: 3}, 1); err == nil {
		t.Error("densities of rows of another width")
	}
}

// Shrinkage makes a covariance of fewer rows than columns positive definite, without a regularization.
func TestShrinkage(t *testing.T) {
	x, _ := planted(random(17), 10, 20, 1, 0)
	o := Defaults()
	o.Components, o.Covariance, o.Regularization = 1, Full, 0
	m := fit(t, x, o)
	sample := fit(t, x, with(o, func(o *Options) { o.Covariance = Diagonal }))
	for i := range x.D {
		if diff := cmp.Diff(sample.Covariances[i], m.Covariances[i*x.D+i], near); diff != "" {
			t.Errorf("variance %d (-sample +shrunken):\n%s", i, diff)
		}
	}
}

func TestContext(t *testing.T) {
	x, _ := planted(random(1), 5000, 3, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fit(ctx, x, Defaults()); !errors.Is(err, context.Canceled) {
		t.Errorf("fit: %v", err)
	}
	if _, err := fit(t, x, Defaults()).LogDensities(ctx, x, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("densities: %v", err)
	}
	if _, err := ChooseComponents(ctx, x, Defaults()); !errors.Is(err, context.Canceled) {
		t.Errorf("choose: %v", err)
	}
}

func TestChooseComponents(t *testing.T) {
	for _, kind := range kinds {
		for _, k := range []int{1, 2, 4} {
			x, of := planted(random(19), 3000, 4, k, 8)
			if kind.covariance == Diagonal { // or one cluster is several to it
				r := random(20)
				for i := range x.Data {
					x.Data[i] = 10*float64(of[i/x.D]*(1+i%x.D%2)) + r.NormFloat64()
				}
			}
			o := Defaults()
			o.Components, o.Covariance, o.Tolerance = 7, kind.covariance, 1e-5
			m, err := ChooseComponents(t.Context(), x, o)
			if err != nil {
				t.Fatal(err)
			}
			if m.K() != k {
				t.Errorf("%s: %d components, want %d", kind.name, m.K(), k)
			}
		}
	}
	m, err := ChooseComponents(t.Context(), Matrix{Data: []float64{1, 1, 1, 1}, N: 4, D: 1}, Defaults())
	if err != nil || m.K() != 1 {
		t.Errorf("equal rows: %v, %v", m, err)
	}
}

func TestParameters(t *testing.T) {
	x := Matrix{Data: make([]float64, 3*4), N: 3, D: 4}
	if got := someStart(t, x, 3, Diagonal).Parameters(); got != 2+3*4+3*4 {
		t.Errorf("diagonal: %d", got)
	}
	if got := someStart(t, x, 3, Full).Parameters(); got != 2+3*4+3*10 {
		t.Errorf("full: %d", got)
	}
}

func TestElementary(t *testing.T) {
	for x := -40.0; x <= 0; x += 0x1p-10 {
		if want, got := math.Exp(x), exponential(x); math.Abs(got-want) > 0x1p-51*want {
			t.Fatalf("e^%v is %v, want %v", x, got, want)
		}
	}
	for _, x := range []float64{1e-300, 0.5, math.Sqrt2 / 2, 0.99999, 1, 1.0000001, math.Sqrt2, 2, 5, 6e4, 1e300, math.MaxFloat64} {
		if want, got := math.Log(x), logarithm(x); math.Abs(got-want) > 0x1p-51*math.Abs(want) {
			t.Errorf("ln(%v) is %v, want %v", x, got, want)
		}
	}
	if want, got := -1074*math.Ln2, logarithm(0x1p-1074); math.Abs(got-want) > 0x1p-42 { // math.Log is wrong for it on amd64
		t.Errorf("ln(2^-1074) is %v, want %v", got, want)
	}
	if exponential(0) != 1 || exponential(-41) != 0 || exponential(math.Inf(-1)) != 0 || !math.IsInf(logarithm(0), -1) || logarithm(1) != 0 {
		t.Error("the ends of the exponential and the logarithm")
	}
}
