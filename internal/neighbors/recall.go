package neighbors

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
)

// exactly are the distances of the neighbors of groups, nearest first, by a search of all rows.
func (ix *Index[T]) exactly(ctx context.Context, asked []int) ([][]float64, error) {
	if ix.k == 0 { // each row is a copy of the others
		return make([][]float64, len(asked)), ctx.Err()
	}
	found := make([][]float64, len(asked))
	var failed atomic.Bool
	size := ix.blockSize(len(asked), ix.keep)
	parallelWith(ix.threads, len(asked), size, func() *looker[T] { return ix.lookerOf(size) }, func(l *looker[T], low, high int) {
		l.load(ix.kernel, ix.space, high-low, func(i int) int { return asked[low+i] })
		l.forget()
		if failed.Load() || ix.sweep(ctx, ix.space, l.block) != nil {
			failed.Store(true)
			return
		}
		for i := range high - low {
			if group := int32(asked[low+i]); !l.proves(&l.lists, i, group) && ix.scanAll(ctx, l.nearest, group) != nil {
				failed.Store(true)
				return
			}
			l.nearest.sort()
			found[low+i] = slices.Clone(l.nearest.distance)
		}
	})
	if failed.Load() {
		return nil, ctx.Err()
	}
	return found, nil
}

// sample are so many groups, spread over all.
func (ix *Index[T]) sample(size int, offset float64) []int {
	n := ix.groups.count()
	size = min(size, n)
	asked := make([]int, size)
	for i := range asked {
		asked[i] = int((float64(i) + offset) * float64(n) / float64(size))
	}
	return asked
}

// tune chooses how many rows a block looks at.
func (ix *Index[T]) tune(ctx context.Context) error {
	asked := ix.sample(tunedRows, 0.25)
	exact, err := ix.exactly(ctx, asked)
	if err != nil {
		return err
	}
	n := ix.groups.count()
	for share := leastShare; ; share *= 2 {
		ix.look = min(max(2*cellRows, int(math.Ceil(min(share, MostShare)*float64(n)))), n)
		if share >= MostShare || ix.look == n {
			return nil
		}
		recall, err := ix.measure(ctx, asked, exact)
		if err != nil || recall.Share() >= wantedRecall {
			return err
		}
	}
}

// Recall is what part of the nearest neighbors of a sample of rows was found.
type Recall struct {
	// Rows of the sample, Neighbors of these, and how many of them were Found.
	Rows, Neighbors, Found int
	// Compared is the mean share of all rows that these were compared with.
	Compared float64
}

func (r *Recall) add(exact, found []float64) {
	if len(exact) == 0 {
		return
	}
	r.Rows++
	r.Neighbors += len(exact)
	for _, d := range found {
		if d <= exact[len(exact)-1] { // one of several at the same distance is as good as another
			r.Found++
		}
	}
}

// Share is the part that was found, 1 where nothing was to be found.
func (r Recall) Share() float64 {
	if r.Neighbors == 0 {
		return 1
	}
	return float64(r.Found) / float64(r.Neighbors)
}

// Interval is Wilson's, at 95 %, of as many trials as the sample has rows: a row's neighbors are found together or missed
// together.
func (r Recall) Interval() (low, high float64) {
	if r.Rows == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	n, p := float64(r.Rows), r.Share()
	middle, half := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (middle-half)/(1+z*z/n)), min(1, (middle+half)/(1+z*z/n))
}

// Recall measures what the index finds, on other rows than those by which the number of cells was chosen, but for single
// ones.
func (ix *Index[T]) Recall(ctx context.Context) (Recall, error) {
	asked := ix.sample(recallRows, 0.75)
	exact, err := ix.exactly(ctx, asked)
	if err != nil {
		return Recall{}, err
	}
	return ix.measure(ctx, asked, exact)
}

// measure holds what the index finds of some groups against the distances of an exact search.
func (ix *Index[T]) measure(ctx context.Context, asked []int, exact [][]float64) (Recall, error) {
	recall := Recall{}
	found := make([][]float64, len(asked))
	var failed atomic.Bool
	var compared atomic.Int64
	parallelWith(ix.threads, len(asked), 1, ix.newLooker, func(l *looker[T], i, _ int) {
		before := l.compared
		if failed.Load() || l.lookAround(ctx, asked[i]/blockRows, asked[i:i+1]) != nil || l.take(ctx, 0, int32(asked[i])) != nil {
			failed.Store(true)
			return
		}
		compared.Add(int64(l.compared - before))
		found[i] = slices.Clone(l.nearest.distance)
	})
	if failed.Load() {
		return recall, ctx.Err()
	}
	for i := range asked {
		recall.add(exact[i], found[i])
	}
	recall.Compared = min(1, float64(compared.Load())/float64(len(asked))/float64(ix.groups.count()))
	return recall, nil
}
