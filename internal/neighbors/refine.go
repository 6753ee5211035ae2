package neighbors

import (
	"context"
	"sync/atomic"
)

// refineLists is how many neighbors of a row, and of each of these, are looked at once more. Twice is done where the cells
// are not enough.
const refineLists, mostRounds = 16, 2

// Refine looks at the neighbors of each row's neighbors, which may lie in cells that the row's own search did not reach:
// a neighbor of a neighbor is likely to be one [Dong, Charikar, Li, Efficient k-nearest neighbor graph construction for
// generic similarity measures, 2011]. Found is what All or the parts of Search found of all rows before To, and is
// changed in place. It takes 64 bytes for each of them, depends on what was found alone, and does nothing where the sample
// needed no more than the cells.
func (ix *Index[T]) Refine(ctx context.Context, found Result) error {
	for range ix.rounds {
		if err := ix.refine(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

func (ix *Index[T]) refine(ctx context.Context, found Result) error {
	k, most := found.K, min(found.K, refineLists)
	rows := ix.answer.To
	if k == 0 {
		return ctx.Err()
	}
	before := make([]int32, rows*most)
	for row := range rows {
		copy(before[row*most:(row+1)*most], found.Index[row*k:])
	}
	var failed atomic.Bool
	blocks := (ix.Len() + blockRows - 1) / blockRows
	parallelWith(ix.threads, blocks, 1, ix.newRefiner, func(r *refiner[T], block, _ int) { // in the memory's order
		if failed.Load() || ctx.Err() != nil {
			failed.Store(true)
			return
		}
		for _, row := range ix.Rows(block*blockRows, min((block+1)*blockRows, ix.Len())) {
			r.refine(row, found.Index[int(row)*k:(int(row)+1)*k], found.Distance[int(row)*k:(int(row)+1)*k], func(other int32) []int32 {
				if int(other) >= rows {
					return nil // was not asked for its neighbors
				}
				return before[int(other)*most : (int(other)+1)*most]
			})
		}
	})
	if failed.Load() {
		return ctx.Err()
	}
	return nil
}

// A refiner looks at rows once more; each goroutine has its own.
type refiner[T Float] struct {
	x       Matrix[T]
	nearest *nearest
	// seen has, for each row, the round in which it was last offered.
	seen  []int32
	round int32
	found []int32 // rows to look at
}

func (ix *Index[T]) newRefiner() *refiner[T] {
	return &refiner[T]{x: ix.x, nearest: newNearest(ix.answer.K), seen: make([]int32, ix.x.N)}
}

// refine offers a row the first neighbors of its first neighbors, and puts the nearest of all into its lists.
func (r *refiner[T]) refine(row int32, index []int32, distance []float64, neighborsOf func(row int32) []int32) {
	r.round++
	r.seen[row] = r.round
	r.nearest.reset()
	for i, other := range index {
		r.seen[other] = r.round
		r.nearest.offer(other, distance[i])
	}
	r.found = r.found[:0]
	for _, other := range index[:min(len(index), refineLists)] {
		for _, next := range neighborsOf(other) {
			if r.seen[next] != r.round {
				r.seen[next] = r.round
				r.found = append(r.found, next)
			}
		}
	}
	x := r.x.row(int(row))
	for left := r.found; len(left) > 0; {
		m := min(len(left), 4)
		var four [4][]T
		for i := range four {
			four[i] = r.x.row(int(left[min(i, m-1)]))
		}
		distances := distances4(x, four[0], four[1], four[2], four[3])
		for i, d := range distances[:m] {
			r.nearest.offer(left[i], d)
		}
		left = left[m:]
	}
	r.nearest.sort()
	copy(index, r.nearest.index)
	copy(distance, r.nearest.distance)
}
