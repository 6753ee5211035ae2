package neighbors

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// oracle is the obvious double loop.
func oracle[T Float](x Matrix[T], o Options) Result {
	if o.To == 0 {
		o.To = x.N
	}
	r := Result{K: min(o.K, max(x.N-1, 0)), Index: []int32{}, Distance: []float64{}}
	for i := o.From; i < o.To; i++ {
		type other struct {
			row      int32
			distance float64
		}
		var others []other
		for j := range x.N {
			if j == i {
				continue
			}
			var sum float64
			for k := range x.D {
				d := float64(x.Data[i*x.D+k]) - float64(x.Data[j*x.D+k])
				sum += float64(d * d)
			}
			others = append(others, other{int32(j), math.Sqrt(sum)})
		}
		slices.SortFunc(others, func(a, b other) int {
			return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.row, b.row))
		})
		for _, o := range others[:r.K] {
			r.Index = append(r.Index, o.row)
			r.Distance = append(r.Distance, o.distance)
		}
	}
	return r
}

// matrices that are easy, and such as defeat float32 at one stage or another.
var matrices = map[string]func(r *rand.Rand, n, d int) []float64{
	"normal": func(r *rand.Rand, n, d int) []float64 {
		return fill(n*d, r.NormFloat64)
	},
	"uniform far from the origin": func(r *rand.Rand, n, d int) []float64 {
		return fill(n*d, func() float64 { return 1000 + r.Float64() })
	},
	"small integers": func(r *rand.Rand, n, d int) []float64 {
		return fill(n*d, func() float64 { return float64(r.IntN(3)) })
	},
	"copies": func(r *rand.Rand, n, d int) []float64 {
		x := fill(n*d, r.NormFloat64)
		for i := range n {
			copy(x[i*d:(i+1)*d], x[r.IntN(1+i/7)*d:])
		}
		return x
	},
	"constant": func(r *rand.Rand, n, d int) []float64 {
		return fill(n*d, func() float64 { return 0.1 })
	},
	"signed zeros": func(r *rand.Rand, n, d int) []float64 {
		return fill(n*d, func() float64 { return math.Copysign(0, r.Float64()-0.5) })
	},
	"two tiny clusters": func(r *rand.Rand, n, d int) []float64 {
		x := fill(n*d, func() float64 { return 1e-6 * r.NormFloat64() })
		for i := range x {
			x[i] += float64(i/max(d, 1)%2*2 - 1)
		}
		return x
	},
	"clusters within clusters": func(r *rand.Rand, n, d int) []float64 {
		x := make([]float64, n*d)
		for i := range n {
			for k := range d {
				x[i*d+k] = float64(i%2) + 1e-3*float64(i%3) + 1e-6*float64(i%5) + 1e-9*float64(i%7) + 1e-11*r.Float64()
			}
		}
		return x
	},
	"an outlier": func(r *rand.Rand, n, d int) []float64 {
		x := fill(n*d, r.NormFloat64)
		for k := range d {
			x[(n-1)*d+k] = 1e30
		}
		return x
	},
	"shuffled line": func(r *rand.Rand, n, d int) []float64 {
		x := make([]float64, n*d)
		for i, at := range r.Perm(n) {
			for k := range d {
				x[i*d+k] = 1e4 + float64(at)
			}
		}
		return x
	},
}

func fill(n int, value func() float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = value()
	}
	return x
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func checkSearch[T Float](t *testing.T, x Matrix[T], o Options) {
	t.Helper()
	want := oracle(x, o)
	for _, k := range kernels {
		got, err := search(context.Background(), x, o, k)
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%s, %d×%d %T, %+v: (-want +got)\n%s", k.name, x.N, x.D, *new(T), o, diff)
		}
	}
}

func TestSearchIsTheObviousLoop(t *testing.T) {
	shapes := []struct{ n, d, k int }{
		{0, 3, 2}, {1, 3, 2}, {2, 3, 1}, {2, 3, 5}, {5, 0, 2}, {3, 1, 2},
		{40, 1, 3}, {97, 5, 10}, {200, 40, 10}, {333, 1, 7}, {401, 17, 1}, {260, 300, 10},
		{150, 600, 4}, {130, 3, 200}, {130, 3, 129}, {600, 3, 60}, {1100, 5, 9},
	}
	for name, generate := range matrices {
		t.Run(name, func(t *testing.T) {
			for i, s := range shapes {
				if s.n == 0 && name == "an outlier" {
					continue
				}
				r := rand.New(rand.NewPCG(uint64(i), 1))
				scales := []float64{1}
				if s.n < 250 {
					scales = []float64{1, 1e20, 1e-20}
				}
				for _, scale := range scales {
					x := generate(r, s.n, s.d)
					for i := range x {
						x[i] *= scale
					}
					o := Options{K: s.k, Threads: 2}
					checkSearch(t, Matrix[float64]{x, s.n, s.d}, o)
					if scale > 1 && name == "an outlier" {
						continue // beyond float32
					}
					checkSearch(t, Matrix[float32]{narrow(x), s.n, s.d}, o)
				}
			}
		})
	}
}

func TestSearchOfShardsIsTheWhole(t *testing.T) {
	for name, generate := range matrices {
		t.Run(name, func(t *testing.T) {
			const k = 9
			n, d := 700, 24
			if name == "normal" { // enough for several stretches
				n, d = 2500, 200
			}
			x := Matrix[float32]{narrow(generate(rand.New(rand.NewPCG(1, 2)), n, d)), n, d}
			whole, err := Search(context.Background(), x, Options{K: k, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 2, 3} {
				for _, cuts := range [][]int{{0, n}, {0, 1, 350, n}, {0, 100, 101, 333, 699, n}} {
					joined := Result{K: whole.K, Index: []int32{}, Distance: []float64{}}
					for i := range cuts[1:] {
						o := Options{K: k, From: cuts[i], To: cuts[i+1], Threads: threads}
						part, err := Search(context.Background(), x, o)
						if err != nil {
							t.Fatal(err)
						}
						joined.Index = append(joined.Index, part.Index...)
						joined.Distance = append(joined.Distance, part.Distance...)
					}
					if diff := gocmp.Diff(whole, joined); diff != "" {
						t.Fatalf("%d threads, cuts %v: (-whole +joined)\n%s", threads, cuts, diff)
					}
				}
			}
		})
	}
}

// Scaling by a power of two must scale the distances and change no neighbor, to the ends of float64's range.
func TestSearchAtTheEndsOfTheRange(t *testing.T) {
	const n, d, k = 150, 6, 5
	r := rand.New(rand.NewPCG(3, 4))
	x := Matrix[float64]{fill(n*d, func() float64 { return float64(r.IntN(1000)) }), n, d}
	want, err := Search(context.Background(), x, Options{K: k})
	if err != nil {
		t.Fatal(err)
	}
	for _, exponent := range []int{-1074, -1040, -600, -460, 460, 600, 1005} {
		scaled := Matrix[float64]{make([]float64, n*d), n, d}
		for i, v := range x.Data {
			scaled.Data[i] = math.Ldexp(v, exponent)
		}
		got, err := Search(context.Background(), scaled, Options{K: k})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want.Distance {
			v = math.Ldexp(v, exponent)
			if got.Distance[i] != v || exponent > -1000 && got.Index[i] != want.Index[i] {
				t.Fatalf("2^%d: neighbor %d of row %d is row %d at %g, want row %d at %g", exponent, i%k, i/k,
					got.Index[i], got.Distance[i], want.Index[i], v)
			}
		}
	}
}

func TestSearchBeyondTheRange(t *testing.T) {
	x := Matrix[float64]{[]float64{math.MaxFloat64, -math.MaxFloat64, 0, -math.MaxFloat64 / 2}, 4, 1}
	got, err := Search(context.Background(), x, Options{K: 3})
	if err != nil {
		t.Fatal(err)
	}
	inf := math.Inf(1)
	const m = math.MaxFloat64
	want := Result{K: 3,
		Index:    []int32{2, 1, 3, 3, 2, 0, 3, 0, 1, 1, 2, 0},
		Distance: []float64{m, inf, inf, m / 2, m, inf, m / 2, m, m, m / 2, m / 2, inf},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSearchRefuses(t *testing.T) {
	ok := Matrix[float32]{make([]float32, 12), 4, 3}
	for name, c := range map[string]struct {
		x Matrix[float32]
		o Options
	}{
		"K of 0":           {ok, Options{}},
		"missing values":   {Matrix[float32]{make([]float32, 11), 4, 3}, Options{K: 1}},
		"a negative N":     {Matrix[float32]{nil, -1, 3}, Options{K: 1}},
		"From after To":    {ok, Options{K: 1, From: 3, To: 2}},
		"To after N":       {ok, Options{K: 1, To: 5}},
		"negative From":    {ok, Options{K: 1, From: -1}},
		"negative Threads": {ok, Options{K: 1, Threads: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Search(context.Background(), c.x, c.o); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestSearchNamesTheRowThatIsNotFinite(t *testing.T) {
	const n, d = 50000, 3
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x := Matrix[float64]{make([]float64, n*d), n, d}
		x.Data[40000*d+2], x.Data[49999*d] = value, value
		_, err := Search(context.Background(), x, Options{K: 1, Threads: 2})
		var got *NonFiniteError
		if !errors.As(err, &got) || got.Row != 40000 || got.Column != 2 {
			t.Errorf("%v: %v", value, err)
		}
	}
}

func TestSearchStops(t *testing.T) {
	const n, d = 4000, 8
	for name, generate := range matrices {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			x := Matrix[float64]{generate(rand.New(rand.NewPCG(5, 6)), n, d), n, d}
			rows := 0
			_, err := Search(ctx, x, Options{K: 10, Threads: 2, Progress: func(done int) {
				rows = done
				cancel()
			}})
			if rows < n && !errors.Is(err, context.Canceled) {
				t.Errorf("error %v after %d rows", err, rows)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Search(ctx, Matrix[float32]{}, Options{K: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a search begun too late", err)
	}
}

func TestProgress(t *testing.T) {
	for name, generate := range matrices {
		t.Run(name, func(t *testing.T) {
			const n, d = 1500, 4
			x := Matrix[float64]{generate(rand.New(rand.NewPCG(7, 8)), n, d), n, d}
			last := 0
			_, err := Search(context.Background(), x, Options{K: 10, From: 100, To: 1300, Threads: 2, Progress: func(done int) {
				if done <= last {
					t.Errorf("%d rows after %d", done, last)
				}
				last = done
			}})
			if err != nil || last != 1200 {
				t.Errorf("%d of 1200 rows, error %v", last, err)
			}
		})
	}
}

// Every row that a kernel does not list scores at most the threshold, every row it lists at least that, and scores
// bound distances as the space promises.
func TestKernelsKeepTheirPromise(t *testing.T) {
	const n, d, keep = 1000, 520, 20
	x := Matrix[float64]{fill(n*d, rand.New(rand.NewPCG(9, 10)).NormFloat64), n, d}
	g := groupRows(x, 1)
	sp := newSpace(n, d)
	pack(sp, x, g, make([]float64, d), 0x1p-3, 1)
	for _, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			queries := 2 * k.group
			b := newBlock(k, d, queries, keep)
			b.load(k, sp, queries, func(i int) int { return 7 * i })
			for i := range queries {
				b.threshold[i] = float32(math.Inf(-1))
			}
			k.scan(b, sp.panels, sp.bias, 0, lists{})
			for i := range queries {
				listed := map[int32]float32{}
				scores, index := b.list(i)
				for j, row := range index {
					listed[row] = scores[j]
				}
				if len(listed) < keep || len(listed) >= b.capacity {
					t.Fatalf("%d rows listed", len(listed))
				}
				for row := range n {
					score, ok := listed[int32(row)]
					if ok && score < b.threshold[i] {
						t.Errorf("row %d is listed with %v, threshold %v", row, score, b.threshold[i])
					}
					if !ok {
						score = b.threshold[i]
					}
					exact := distance(x.row(i*7), x.row(row)) * sp.scale
					bound := sp.squaredDistance(score)
					if bound > exact*exact*(1+1e-12) {
						t.Errorf("query %d, row %d: bound %v above the squared distance %v", i*7, row, bound, exact*exact)
					}
					if ok && bound < exact*exact*(1-1e-3)-1e-3 {
						t.Errorf("query %d, row %d: bound %v is far below %v", i*7, row, bound, exact*exact)
					}
				}
			}
		})
	}
}

func TestGroupsAreTheEqualRows(t *testing.T) {
	x := Matrix[float64]{[]float64{1, 0, 2, 0, 1, math.Copysign(0, -1), 3, 3, 2, 0, 1, 0}, 6, 2}
	g := groupRows(x, 2)
	var got [][]int32
	for i := range g.count() {
		got = append(got, g.of(i))
	}
	if diff := gocmp.Diff([][]int32{{0, 2, 5}, {1, 4}, {3}}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(uint8(3), uint8(2), uint8(1), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add(uint8(40), uint8(1), uint8(2), []byte("a line of rows that repeats itself, a line of rows"))
	f.Add(uint8(90), uint8(3), uint8(4), []byte{0, 0, 128, 63, 1, 0, 128, 63, 255, 255, 127, 127})
	f.Fuzz(func(t *testing.T, n, d, k uint8, data []byte) {
		if len(data) < 4 || d > 40 {
			return
		}
		// Each value is four bytes of the data, read around and around.
		x := Matrix[float32]{make([]float32, int(n)*int(d)), int(n), int(d)}
		for i := range x.Data {
			var b [4]byte
			for j := range b {
				b[j] = data[(4*i+j)%len(data)]
			}
			v := math.Float32frombits(binary.LittleEndian.Uint32(b[:]))
			if v-v != 0 {
				v = float32(i % 5)
			}
			x.Data[i] = v
		}
		checkSearch(t, x, Options{K: max(1, int(k)), Threads: 2})
	})
}

func ExampleSearch() {
	x := Matrix[float32]{Data: []float32{0, 0, 3, 4, 0, 1}, N: 3, D: 2}
	r, err := Search(context.Background(), x, Options{K: 1})
	fmt.Println(r.Index, r.Distance, err)
	// Output: [2 2 0] [1 4.242640687119285 1] <nil>
}
