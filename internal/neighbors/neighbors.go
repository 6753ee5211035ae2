// Package neighbors finds exact k nearest neighbors under the Euclidean distance.
//
// # What is guaranteed
//
// The distance between rows x and y is √(Σ(x−y)²), computed in float64 on the values as given, the squares added in the
// order of the columns and none fused with its addition (where they leave float64's range they are scaled first). A
// row's neighbors are the K other rows that come first by (distance, index). Indices and distances are therefore, bit
// for bit, those of the obvious double loop: they don't depend on Threads, on how From and To cut the rows, on the
// processor or on the kernel that ran. Distinct rows never have distance 0, identical rows (−0 equals +0) always have.
//
// # How
//
// Rows with the same values are searched once. The others are compared in float32 by ‖x‖² + ‖y‖² − 2x·y, as FAISS's
// flat index does, but compared while they are in registers, and each pair once. Each row keeps a shortlist slightly
// longer than K. The shortlist is then computed exactly, and a row counts as answered only if a rigorous bound on the
// rounding errors (see space) proves that nothing outside of it can be nearer. What is not proven is searched again:
// with a longer list, then around centers in the midst of the crowds that float32 could not tell apart, at last row by
// row in float64.
package neighbors

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// Float is the type of a matrix's values.
type Float interface{ float32 | float64 }

// Matrix is a row-major view of N rows with D values each.
type Matrix[T Float] struct {
	Data []T // N×D
	N, D int
}

func (m Matrix[T]) row(i int) []T { return m.Data[i*m.D : (i+1)*m.D : (i+1)*m.D] }

// Options of a [Search].
type Options struct {
	// K is the number of neighbors of a row, at least 1, the row itself not counted. Above N−1 it means N−1.
	K int

	// From and To bound the rows to answer, From ≤ row < To; To = 0 means N. Neighbors come from all N rows in any
	// case.
	From, To int

	// Threads is the number of rows' blocks searched at once; 0 means GOMAXPROCS.
	Threads int

	// Progress, if set, is told how many of the To−From rows are answered so far. Calls are never concurrent and their
	// numbers never fall.
	Progress func(rows int)
}

// Result holds the neighbors of the rows From to To, one row after the other.
type Result struct {
	K        int       // neighbors of a row: Options.K, or N−1 if that is less
	Index    []int32   // (To−From)×K, rows of the matrix, nearest first
	Distance []float64 // (To−From)×K; +Inf where it is above math.MaxFloat64
}

// NonFiniteError says that the matrix holds a NaN or an infinity. It names the first one.
type NonFiniteError struct {
	Row, Column int
	Value       float64
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("row %d holds %v in column %d: distances need finite values", e.Row, e.Value, e.Column)
}

// Search finds the K nearest other rows of the rows From to To of x.
//
// Beside the result it holds a float32 copy of x, about 60 bytes for each row, a few megabytes for each thread and, if
// all rows are asked for, their shortlists: about 16·(K + 6) bytes for each row, which lets it score each pair only
// once. Where those would need more than the copy, and more than 256 MiB, it does without them.
//
// A value that is not finite is a [*NonFiniteError]; other errors are arguments that make no sense, or the context's,
// which is honored between kernel calls of a few milliseconds.
func Search[T Float](ctx context.Context, x Matrix[T], o Options) (Result, error) {
	return search(ctx, x, o, kernels[0])
}

func search[T Float](ctx context.Context, x Matrix[T], o Options, k kernel) (Result, error) {
	if err := validate(x, &o); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	largest, err := largestMagnitude(x, o.Threads)
	if err != nil {
		return Result{}, err
	}

	result := Result{
		K:        o.K,
		Index:    make([]int32, (o.To-o.From)*o.K),
		Distance: make([]float64, (o.To-o.From)*o.K),
	}
	if o.K == 0 || o.From == o.To {
		return result, nil
	}
	s := &searcher[T]{
		x:       x,
		largest: largest,
		groups:  groupRows(x, o.Threads),
		threads: o.Threads,
		kernel:  k,
		answer:  &answer{Options: o, Result: result},
	}
	s.k = min(o.K, s.groups.count()-1)
	if err := s.run(ctx); err != nil {
		return Result{}, err
	}
	return result, nil
}

// validate checks the arguments and fills in what they leave open.
func validate[T Float](x Matrix[T], o *Options) error {
	switch {
	case x.N < 0 || x.D < 0:
		return fmt.Errorf("neighbors: a matrix of %d×%d", x.N, x.D)
	case x.N > math.MaxInt32-2*tileRows:
		return fmt.Errorf("neighbors: %d rows, at most %d are supported", x.N, math.MaxInt32-2*tileRows)
	case x.D > maxColumns:
		return fmt.Errorf("neighbors: %d columns, at most %d are supported", x.D, maxColumns)
	case len(x.Data) != x.N*x.D:
		return fmt.Errorf("neighbors: %d values for a matrix of %d×%d", len(x.Data), x.N, x.D)
	case o.K < 1:
		return fmt.Errorf("neighbors: K is %d, it must be at least 1", o.K)
	case o.Threads < 0:
		return fmt.Errorf("neighbors: Threads is %d, it must not be negative", o.Threads)
	}
	if o.To == 0 {
		o.To = x.N
	}
	if o.From < 0 || o.From > o.To || o.To > x.N {
		return fmt.Errorf("neighbors: rows %d to %d of a matrix of %d rows", o.From, o.To, x.N)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	o.K = min(o.K, max(x.N-1, 0))
	return nil
}

// largestMagnitude returns max |x|, or the first value that is not finite.
func largestMagnitude[T Float](x Matrix[T], threads int) (float64, error) {
	var mu sync.Mutex
	var largest float64
	bad := -1
	parallel(threads, len(x.Data), 1<<16, func(low, high int) {
		var m T
		first := -1
		for i, v := range x.Data[low:high] {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				first = low + i
				break
			}
			if v < 0 {
				v = -v
			}
			if v > m {
				m = v
			}
		}
		mu.Lock()
		defer mu.Unlock()
		largest = max(largest, float64(m))
		if first >= 0 && (bad < 0 || first < bad) {
			bad = first
		}
	})
	if bad >= 0 {
		return 0, &NonFiniteError{Row: bad / x.D, Column: bad % x.D, Value: float64(x.Data[bad])}
	}
	return largest, nil
}
