package pca

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/mat"

	"github.com/datasetaudit/dataset-audit/test/needs"
)

// table is an N×D matrix in memory.
type table struct {
	d      int
	values []float32
}

func (t table) Len() int                     { return len(t.values) / t.d }
func (t table) Dimensions() int              { return t.d }
func (t table) Read(from int, dst []float32) { copy(dst, t.values[from*t.d:]) }

// random makes rows with a few strong directions, so that components are well apart.
func random(seed uint64, n, d int) table {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, n*d)
	for i := range n {
		for c := range d {
			values[i*d+c] = float32(r.NormFloat64()*math.Pow(2, -float64(c)/2) + 3)
		}
	}
	return table{d, values}
}

// oracle is the textbook: the right singular vectors of the centered matrix.
func oracle(t *testing.T, x table, k int) (components *mat.Dense, variances []float64) {
	t.Helper()
	n, d := x.Len(), x.d
	centered := mat.NewDense(n, d, nil)
	for c := range d {
		mean := 0.0
		for r := range n {
			mean += float64(x.values[r*d+c]) / float64(n)
		}
		for r := range n {
			centered.Set(r, c, float64(x.values[r*d+c])-mean)
		}
	}
	var svd mat.SVD
	if !svd.Factorize(centered, mat.SVDThinV) {
		t.Fatal("no singular values")
	}
	var v mat.Dense
	svd.VTo(&v)
	variances = svd.Values(nil)[:k]
	for i := range variances {
		variances[i] *= variances[i] / float64(n-1)
	}
	return mat.DenseCopyOf(v.Slice(0, d, 0, k).T()), variances
}

// apart returns how far two sets of rows are from each other when the sign of each row is free.
func apart(want *mat.Dense, got []float64) float64 {
	k, d := want.Dims()
	worst := 0.0
	for i := range k {
		plus, minus := 0.0, 0.0
		for c := range d {
			plus = max(plus, math.Abs(want.At(i, c)-got[i*d+c]))
			minus = max(minus, math.Abs(want.At(i, c)+got[i*d+c]))
		}
		worst = max(worst, min(plus, minus))
	}
	return worst
}

func TestExactAgainstSingularValues(t *testing.T) {
	tests := map[string]struct{ n, d, k int }{
		"tall":              {200, 12, 5},
		"all components":    {50, 7, 7},
		"wide":              {9, 20, 8},
		"a little wide":     {15, 20, 8},
		"one":               {3, 1, 1},
		"beyond one block":  {blockRows + 17, 10, 4},
		"several, odd tail": {3*blockRows + 1, 9, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x := random(uint64(test.n), test.n, test.d)
			model, err := Exact(context.Background(), x, test.k, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			want, variances := oracle(t, x, test.k)
			if worst := apart(want, model.Components); worst > 1e-6 {
				t.Errorf("components differ by %g", worst)
			}
			for i, v := range variances {
				if math.Abs(v-model.Variances[i]) > 1e-9*variances[0] {
					t.Errorf("variance %d: got %g, want %g", i, model.Variances[i], v)
				}
			}
		})
	}
}

// Moments of blocks added in any order, by any number of threads, are the same to the last bit.
func TestMomentsDoNotDependOnOrderOrThreads(t *testing.T) {
	x := random(5, 5*blockRows+99, 11)
	fit := func(order []int, threads int) *Model {
		moments := NewMoments(x.d)
		for _, i := range order {
			block := x.values[i*blockRows*x.d : min((i+1)*blockRows*x.d, len(x.values))]
			if err := moments.AddBlock(i, block, threads); err != nil {
				t.Fatal(err)
			}
		}
		model, err := moments.Fit(x.Len(), 6)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	want := fit([]int{0, 1, 2, 3, 4, 5}, 1)
	for _, order := range [][]int{{5, 4, 3, 2, 1, 0}, {3, 5, 0, 2, 4, 1}} {
		if diff := cmp.Diff(want, fit(order, 3)); diff != "" {
			t.Errorf("order %v (-want +got):\n%s", order, diff)
		}
	}
	moments := NewMoments(x.d)
	if err := moments.AddBlock(1, x.values[:blockRows*x.d], 1); err != nil {
		t.Fatal(err)
	}
	if _, err := moments.Fit(2*blockRows, 6); err == nil {
		t.Error("fitted with a missing block")
	}
}

// One batch is all there is to know: then the incremental solver is exact.
func TestIncrementalInOneBatchIsExact(t *testing.T) {
	x := random(7, 120, 10)
	exact, err := Exact(context.Background(), x, 6, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	incremental, err := Incremental(context.Background(), x, 6, 120, nil)
	if err != nil {
		t.Fatal(err)
	}
	if worst := apart(mat.NewDense(6, 10, exact.Components), incremental.Components); worst > 1e-9 {
		t.Errorf("components differ by %g", worst)
	}
	if math.Abs(exact.TotalVariance-incremental.TotalVariance) > 1e-9 {
		t.Errorf("total variance %g and %g", exact.TotalVariance, incremental.TotalVariance)
	}
}

// Keeping every component loses nothing, so batches don't matter.
func TestIncrementalWithAllComponentsIsExact(t *testing.T) {
	x := random(8, 90, 6)
	exact, err := Exact(context.Background(), x, 6, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	incremental, err := Incremental(context.Background(), x, 6, 30, nil)
	if err != nil {
		t.Fatal(err)
	}
	if worst := apart(mat.NewDense(6, 6, exact.Components), incremental.Components); worst > 1e-8 {
		t.Errorf("components differ by %g", worst)
	}
}

// A batch too small for the fit is still transformed.
func TestIncrementalLeavesOutShortBatches(t *testing.T) {
	x := random(9, 103, 8)
	whole, err := Incremental(context.Background(), x, 5, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := Incremental(context.Background(), table{x.d, x.values[:100*x.d]}, 5, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, whole); diff != "" {
		t.Errorf("the last three rows counted (-without +with):\n%s", diff)
	}
}

func TestTransformIsTheObviousLoop(t *testing.T) {
	x := random(3, transformRows+13, 19)
	model, err := Exact(context.Background(), x, 11, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	one, err := model.Transform(context.Background(), x, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for r := range x.Len() {
		for k := range model.K() {
			want := 0.0
			for c := range x.d {
				want += model.Components[k*x.d+c] * (float64(x.values[r*x.d+c]) - model.Mean[c])
			}
			if got := one[r*model.K()+k]; math.Abs(got-want) > 1e-12 {
				t.Fatalf("row %d, component %d: got %g, want %g", r, k, got, want)
			}
		}
	}
	// A row's result depends on that row alone: not on the threads, nor on where it stands.
	shifted, err := model.Transform(context.Background(), table{x.d, x.values[3*x.d:]}, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one[3*model.K():], shifted); diff != "" {
		t.Errorf("rows moved up by three differ:\n%s", diff)
	}
}

// Components that are rounding noise are dropped: rank 3 in 8 dimensions, and rows that are all equal.
func TestNoiseIsDropped(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	low := table{8, make([]float32, 100*8)}
	for i := range 100 {
		for c := range 3 {
			x := float32(r.IntN(64))
			low.values[i*8+c], low.values[i*8+c+4] = x, -x
		}
	}
	equal := table{8, make([]float32, 100*8)}
	for i := range equal.values {
		equal.values[i] = .1
	}
	tests := map[string]struct {
		rows table
		want int
	}{"rank 3": {low, 3}, "all equal": {equal, 0}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			exact, err := Exact(context.Background(), test.rows, 6, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			incremental, err := Incremental(context.Background(), test.rows, 6, 50, nil)
			if err != nil {
				t.Fatal(err)
			}
			for solver, model := range map[string]*Model{"exact": exact, "incremental": incremental} {
				if model.K() != test.want || model.Dropped != 6-test.want {
					t.Errorf("%s: %d components, %d dropped: variances %v", solver, model.K(), model.Dropped, model.Variances)
				}
			}
			out, err := exact.Transform(context.Background(), test.rows, 1, nil)
			if err != nil || len(out) != 100*test.want {
				t.Errorf("transformed to %d numbers, %v", len(out), err)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	tests := map[string]struct {
		n, d, components int
		exact            bool
		want             string
	}{
		"enough":          {40, 40, 40, true, ""},
		"few rows":        {39, 50, 40, true, "reduction.pca.components: 40 components need at least as many samples, and there are 39: set it to 39 or less"},
		"few dimensions":  {50, 39, 40, false, "reduction.pca.components: 40 components need at least as many dimensions, and the layer has 39: set it to 39 or less"},
		"wide":            {50, 8193, 40, true, "reduction.pca: the layer has 8193 dimensions and the Exact solver takes at most 8192: pool the layer (model.pooling), or choose solver Incremental"},
		"wide, iterative": {50, 8193, 40, false, ""},
		"too wide":        {50, 65537, 40, false, "reduction.pca: the layer has 65537 dimensions and PCA takes at most 65536: pool the layer (model.pooling)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Check(test.n, test.d, test.components, test.exact)
			var size *SizeError
			if test.want == "" && err == nil {
				return
			}
			if !errors.As(err, &size) || err.Error() != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := random(1, 50, 5)
	if _, err := Exact(ctx, x, 2, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("exact: %v", err)
	}
	if _, err := Incremental(ctx, x, 2, 10, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("incremental: %v", err)
	}
}

// The real embeddings of a thousand cars, reduced by scikit-learn and by numpy.
func TestGoldenCars(t *testing.T) {
	folder := needs.Shared(t, "golden")
	data, err := os.ReadFile(filepath.Join(folder, "cars_conv_pw_13_max.npy"))
	if err != nil {
		t.Fatal(err)
	}
	cars := table{1024, make([]float32, 1000*1024)}
	decodeTail(t, data, cars.values)
	files := map[string]struct {
		fit       func() (*Model, error)
		tolerance float64
	}{
		"cars_exact_pca_40.npy": {
			func() (*Model, error) { return Exact(context.Background(), cars, 40, 2, nil) }, 1e-9},
		// scikit-learn computed this one in float32.
		"cars_exact_incremental_pca_40.npy": {
			func() (*Model, error) { return Incremental(context.Background(), cars, 40, 500, nil) }, 2e-3},
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			want := scores(t, data)
			model, err := file.fit()
			if err != nil {
				t.Fatal(err)
			}
			got, err := model.Transform(context.Background(), cars, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			worst := apart(want, mat.DenseCopyOf(mat.NewDense(1000, 40, got).T()).RawMatrix().Data)
			if worst > file.tolerance {
				t.Errorf("scores differ by %g", worst)
			}
		})
	}
}

// decodeTail reads the numbers at the end of an npy file: all of it behind the header.
func decodeTail(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := binary.Read(bytes.NewReader(data[len(data)-binary.Size(into):]), binary.LittleEndian, into); err != nil {
		t.Fatal(err)
	}
}

// scores reads the 1000×40 numbers of a golden file as a 40×1000 matrix, a row per component.
func scores(t *testing.T, npy []byte) *mat.Dense {
	t.Helper()
	values := make([]float64, 1000*40)
	decodeTail(t, npy, values)
	if bytes.Contains(npy[:128], []byte("'fortran_order': True")) {
		return mat.NewDense(40, 1000, values)
	}
	return mat.DenseCopyOf(mat.NewDense(1000, 40, values).T())
}
