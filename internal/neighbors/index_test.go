package neighbors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// lumps are rows around as many centers as their number's root, with some copies.
func lumps(n, d int) Matrix[float64] {
	r := rand.New(rand.NewPCG(3, 5))
	centers := fill(d*(1+int(math.Sqrt(float64(n)))), r.NormFloat64)
	x := Matrix[float64]{Data: fill(n*d, func() float64 { return 0.3 * r.NormFloat64() }), N: n, D: d}
	for i := range n {
		center := r.IntN(len(centers) / max(d, 1))
		for k := range d {
			x.Data[i*d+k] += centers[center*d+k]
		}
		if i%50 == 49 {
			copy(x.Data[i*d:(i+1)*d], x.Data[(i/2)*d:])
		}
	}
	return x
}

func indexOf(t testing.TB, x Matrix[float64], o Options) *Index[float64] {
	t.Helper()
	ix, err := NewIndex(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// all searches in so many pieces and returns the answers in the order of the rows.
func (ix *Index[T]) all(t testing.TB, pieces int) Result {
	t.Helper()
	k := ix.answer.K
	whole := Result{K: k, Index: make([]int32, ix.answer.To*k), Distance: make([]float64, ix.answer.To*k)}
	answered := 0
	for i := range pieces {
		from, to := i*ix.Len()/pieces, (i+1)*ix.Len()/pieces
		rows := ix.Rows(from, to)
		told := 0
		found, err := ix.Search(t.Context(), from, to, func(n int) { told = n })
		if err != nil {
			t.Fatal(err)
		}
		if k > 0 && told != len(rows) {
			t.Errorf("%d of %d rows are told", told, len(rows))
		}
		answered += len(rows)
		for at, row := range rows {
			copy(whole.Index[int(row)*k:(int(row)+1)*k], found.Index[at*k:])
			copy(whole.Distance[int(row)*k:(int(row)+1)*k], found.Distance[at*k:])
		}
	}
	if answered != ix.answer.To {
		t.Errorf("%d of %d rows are answered", answered, ix.answer.To)
	}
	if err := ix.Refine(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	return whole
}

// Distances are exact, nothing is listed twice, copies are always found, and the measured recall is that of all rows.
func TestIndex(t *testing.T) {
	x := lumps(20_000, 24)
	o := Options{K: 9, To: 19_000, Threads: 2}
	exact, err := Search(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	ix := indexOf(t, x, o)
	got := ix.all(t, 1)
	found := 0
	for row := range o.To {
		index, distances := got.Index[row*o.K:(row+1)*o.K], got.Distance[row*o.K:(row+1)*o.K]
		seen := map[int32]bool{int32(row): true}
		for i, other := range index {
			if seen[other] {
				t.Fatalf("row %d lists row %d twice, or itself", row, other)
			}
			seen[other] = true
			if want := distance(x.row(row), x.row(int(other))); distances[i] != want || i > 0 && distances[i] < distances[i-1] {
				t.Fatalf("row %d is %v from row %d, not %v; all: %v", row, want, other, distances[i], distances)
			}
			if distances[i] <= exact.Distance[row*o.K+o.K-1] {
				found++
			}
		}
		for i, d := range exact.Distance[row*o.K : (row+1)*o.K] {
			if d == 0 && distances[i] != 0 {
				t.Fatalf("row %d lacks a copy", row)
			}
		}
	}
	recall, err := ix.Recall(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	low, high := recall.Interval()
	whole := float64(found) / float64(len(exact.Index))
	if recall.Rows < 1900 || low > whole || high < whole || recall.Compared > 1.2*MostShare || whole < 0.9 {
		t.Errorf("recall %v [%v, %v] of %d rows with %v of the rows; of all rows %v", recall.Share(), low, high, recall.Rows, recall.Compared, whole)
	}

	once, err := ix.All(t.Context(), nil)
	if err == nil {
		err = ix.Refine(t.Context(), once)
	}
	if err != nil || !gocmp.Equal(got, once) {
		t.Errorf("at once it gives another answer: %v", err)
	}
	for _, pieces := range []int{3, 40} {
		o.Threads = 1
		if !gocmp.Equal(got, indexOf(t, x, o).all(t, pieces)) {
			t.Errorf("one thread and %d pieces give another answer", pieces)
		}
	}
}

// A row that its cells missed is found around those that they found, whatever the threads. Distances stay exact, and nothing
// that was found is lost but to what is nearer.
func TestRefine(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	x := Matrix[float64]{Data: fill(6000*12, r.NormFloat64), N: 6000, D: 12} // has no cells
	o := Options{K: 7, To: 5500, Threads: 2}
	exact, err := Search(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	var before float64
	var first Result
	for i, test := range []struct{ rounds, threads int }{{0, 2}, {1, 2}, {2, 2}, {2, 1}} {
		ix := indexOf(t, x, o)
		ix.look, ix.rounds, ix.threads = 1000, test.rounds, test.threads
		got := ix.all(t, 3)
		found := 0
		for row := range o.To {
			index, distances := got.Index[row*o.K:(row+1)*o.K], got.Distance[row*o.K:(row+1)*o.K]
			seen := map[int32]bool{int32(row): true}
			for at, other := range index {
				if want := distance(x.row(row), x.row(int(other))); seen[other] || distances[at] != want || at > 0 && distances[at] < distances[at-1] {
					t.Fatalf("row %d lists %v at %v", row, index, distances)
				}
				seen[other] = true
				if distances[at] <= exact.Distance[row*o.K+o.K-1] {
					found++
				}
			}
		}
		recall := float64(found) / float64(len(exact.Index))
		t.Logf("%d rounds: recall %v", test.rounds, recall)
		switch i {
		case 0:
			if recall < 0.2 || recall > 0.9 {
				t.Fatalf("the cells alone find %v", recall)
			}
		case 1, 2:
			if 1-recall > 0.95*(1-before) {
				t.Errorf("%d rounds find %v, one less %v", test.rounds, recall, before)
			}
			first = got
		case 3:
			if !gocmp.Equal(got, first) {
				t.Error("one thread finds other neighbors than two")
			}
		}
		before = recall
	}
}

// An index of few rows looks at all of them, so it answers as a search does; ties may go to other rows. Where float32 can't
// tell the rows apart, it misses some, and says so.
func TestIndexOfFewRows(t *testing.T) {
	tooClose := map[string]bool{"an outlier": true, "two tiny clusters": true, "clusters within clusters": true}
	for name, matrix := range matrices {
		for _, n := range []int{1, 2, 33, 400} {
			for _, d := range []int{1, 7} {
				x := Matrix[float64]{Data: matrix(rand.New(rand.NewPCG(1, uint64(n))), n, d), N: n, D: d}
				for _, k := range []int{1, 5, 500} {
					o := Options{K: k, Threads: 2}
					want, err := Search(t.Context(), x, o)
					if err != nil {
						t.Fatal(err)
					}
					ix := indexOf(t, x, o)
					got := ix.all(t, 2)
					if tooClose[name] {
						recall, err := ix.Recall(t.Context(), got)
						if err != nil || (recall.Share() == 1) != gocmp.Equal(want.Distance, got.Distance) {
							t.Errorf("%s %d×%d, k=%d: recall is %v, %v", name, n, d, k, recall.Share(), err)
						}
						continue
					}
					if diff := gocmp.Diff(want.Distance, got.Distance); diff != "" {
						t.Errorf("%s %d×%d, k=%d: (-want +got)\n%s", name, n, d, k, diff)
					}
				}
			}
		}
	}
}

// A crowd of rows that lie closer together than float32 can tell is cut, too, and what is missed there is told.
func TestIndexOfCrowd(t *testing.T) {
	x := lumps(6000, 8)
	r := rand.New(rand.NewPCG(4, 4))
	for i := range 3000 * x.D {
		x.Data[i] = 1 + 1e-9*r.Float64()
	}
	ix := indexOf(t, x, Options{K: 5, Threads: 2})
	for _, cell := range ix.cells {
		if cell.to-cell.from > 2*cellRows {
			t.Errorf("a cell of %d rows", cell.to-cell.from)
		}
	}
	recall, err := ix.Recall(t.Context(), ix.all(t, 1))
	if err != nil || recall.Share() > 0.9 || recall.Compared > 0.5 {
		t.Errorf("recall %v by %v of the rows: %v", recall.Share(), recall.Compared, err)
	}
	other := indexOf(t, lumps(6000, 8), Options{K: 5, Threads: 2})
	if again := indexOf(t, x, Options{K: 5, Threads: 1}); again.Layout() != ix.Layout() || other.Layout() == ix.Layout() {
		t.Error("layouts don't tell indexes apart")
	}
}

func TestIndexCanceled(t *testing.T) {
	x := lumps(3000, 5)
	ctx, cancel := context.WithCancel(t.Context())
	ix := indexOf(t, x, Options{K: 3, Threads: 2})
	cancel()
	if _, err := ix.Search(ctx, 0, ix.Len(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("search: %v", err)
	}
	if _, err := ix.Recall(ctx, ix.all(t, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("recall: %v", err)
	}
	if _, err := NewIndex(ctx, x, Options{K: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("new: %v", err)
	}
}

func TestRecallInterval(t *testing.T) {
	for _, test := range []struct {
		recall    Recall
		low, high float64
	}{
		{Recall{}, 0, 1},
		{Recall{Rows: 100, Neighbors: 1000, Found: 1000}, 0.9630, 1},
		{Recall{Rows: 100, Neighbors: 200, Found: 100}, 0.4038, 0.5962},
	} {
		low, high := test.recall.Interval()
		if got, want := fmt.Sprintf("%.4f %.4f", low, high), fmt.Sprintf("%.4f %.4f", test.low, test.high); got != want {
			t.Errorf("%+v: %s, not %s", test.recall, got, want)
		}
	}
}

// BenchmarkIndex compares with the exact search of some rows, as the ratio of times for all.
func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{100_000, 250_000, 400_000} {
		x := lumps(n, 64)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				ix := indexOf(b, x, Options{K: 10})
				found := ix.all(b, 1)
				recall, err := ix.Recall(b.Context(), found)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(recall.Share(), "recall")
				b.ReportMetric(recall.Compared, "share")
			}
		})
		b.Run(fmt.Sprint(n, " exact"), func(b *testing.B) {
			for b.Loop() {
				if _, err := Search(b.Context(), x, Options{K: 10}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
