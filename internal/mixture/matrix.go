package mixture

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// blockRows is the number of rows whose sums are taken as one; block i is the rows [1024i, 1024(i+1)).
const blockRows = 1024

// largest bounds the numbers of a matrix, so that no sum of their squares overflows.
const largest = 1e100

// Matrix is N×D numbers, row by row, or some of its rows.
type Matrix struct {
	// Data has N·D numbers.
	Data []float64
	N, D int
	// Rows are the indices of the rows that count, in their order. Nil means all.
	Rows []int
}

// Len returns the number of rows that count.
func (x Matrix) Len() int {
	if x.Rows != nil {
		return len(x.Rows)
	}
	return x.N
}

// index returns where row i of those that count is in the matrix.
func (x Matrix) index(i int) int {
	if x.Rows != nil {
		return x.Rows[i]
	}
	return i
}

func (x Matrix) row(i int) []float64 {
	at := x.index(i) * x.D
	return x.Data[at : at+x.D]
}

// check says what is wrong with the shape, or which row has a number that can't be used.
func (x Matrix) check(ctx context.Context) error {
	if x.N < 0 || x.D < 0 || len(x.Data) != x.N*x.D {
		return fmt.Errorf("mixture: %d numbers are not %d rows of %d", len(x.Data), x.N, x.D)
	}
	for _, row := range x.Rows {
		if row < 0 || row >= x.N {
			return fmt.Errorf("mixture: there is no row %d, the matrix has %d", row, x.N)
		}
	}
	for i := range x.Len() {
		if i%blockRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for column, v := range x.row(i) {
			if !(math.Abs(v) <= largest) {
				return fmt.Errorf("mixture: row %d, column %d is %g: numbers must be finite and at most %g in magnitude",
					x.index(i), column, v, largest)
			}
		}
	}
	return nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// blocks calls work for each block of n rows, [from, to), on up to threads goroutines, until the context ends.
func blocks(ctx context.Context, n, threads int, work func(block, from, to int)) error {
	count := (n + blockRows - 1) / blockRows
	var next atomic.Int64
	loop := func() {
		for ctx.Err() == nil {
			block := int(next.Add(1)) - 1
			if block >= count {
				return
			}
			work(block, block*blockRows, min((block+1)*blockRows, n))
		}
	}
	var wg sync.WaitGroup
	for range min(threads, count) - 1 {
		wg.Go(loop)
	}
	loop()
	wg.Wait()
	return ctx.Err()
}
