package neighbors

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
)

// A trial holds what an index finds of some groups against what an exact search finds.
type trial[T Float] struct {
	*Index[T]
	asked []int   // groups, ascending
	rows  []int32 // the first of each
	exact Result  // of these
	group []int32 // by row
}

// newTrial asks for so many groups, spread over all.
func (ix *Index[T]) newTrial(ctx context.Context, size int, offset float64) (*trial[T], error) {
	n := ix.groups.count()
	t := &trial[T]{Index: ix, rows: []int32{}, group: make([]int32, ix.x.N)}
	for group := range n {
		for _, row := range ix.groups.of(group) {
			t.group[row] = int32(group)
		}
	}
	size = min(size, n)
	for i := range size {
		group := int((float64(i) + offset) * float64(n) / float64(size))
		if row := ix.groups.first(group); row < ix.answer.To {
			t.asked, t.rows = append(t.asked, group), append(t.rows, int32(row))
		}
	}
	err := t.searchExactly(ctx)
	return t, err
}

func (t *trial[T]) searchExactly(ctx context.Context) error {
	a := t.answerTo(t.rows)
	var failed atomic.Bool
	size := t.blockSize(len(t.asked), t.keep)
	parallelWith(t.threads, len(t.asked), size, func() *looker[T] { return t.lookerOf(size) }, func(l *looker[T], low, high int) {
		asked := t.asked[low:high]
		l.load(t.kernel, t.space, len(asked), func(i int) int { return asked[i] })
		l.forget()
		if failed.Load() || t.sweep(ctx, t.space, l.block) != nil {
			failed.Store(true)
			return
		}
		for i, group := range asked {
			if len(t.groups.of(group)) > a.K {
				a.write(t.groups, group, nil, l.scratch)
				continue
			}
			if !l.proves(&l.lists, i, int32(group)) && t.scanAll(ctx, l.nearest, int32(group)) != nil {
				failed.Store(true)
				return
			}
			l.nearest.sort()
			a.write(t.groups, group, l.nearest, l.scratch)
		}
	})
	if failed.Load() {
		return ctx.Err()
	}
	t.exact = a.Result
	return nil
}

// measure asks the index for the same groups, and, where it finds too few, for those around them by which Refine would
// look at these once more.
func (t *trial[T]) measure(ctx context.Context) (found, refined Recall, err error) {
	k := t.answer.K
	if k == 0 || len(t.rows) == 0 {
		return found, refined, ctx.Err()
	}
	first, err := t.search(ctx, t.blocks(t.rows), t.rows, nil)
	if err != nil {
		return found, refined, err
	}
	for i := range t.rows {
		found.add(t.exact.Distance[i*k:(i+1)*k], first.Result.Distance[i*k:(i+1)*k])
	}
	if found.Share() >= wantedRecall {
		return found, found, nil
	}
	place, around := map[int32]int{}, []int32{}
	for i := range t.rows {
		for _, row := range first.Result.Index[i*k : i*k+min(k, refineLists)] {
			if _, known := place[row]; !known && int(row) < t.answer.To {
				place[row], around = len(around), append(around, row)
			}
		}
	}
	second, err := t.search(ctx, t.blocks(around), around, nil)
	if err != nil {
		return found, refined, err
	}
	r := t.newRefiner()
	for i, row := range t.rows {
		distances := first.Result.Distance[i*k : (i+1)*k]
		r.refine(row, first.Result.Index[i*k:(i+1)*k], distances, func(other int32) []int32 {
			at, known := place[other]
			if !known {
				return nil
			}
			return second.Result.Index[at*k : at*k+min(k, refineLists)]
		})
		refined.add(t.exact.Distance[i*k:(i+1)*k], distances)
	}
	return found, refined, nil
}

// blocks are those in which rows lie, ascending.
func (t *trial[T]) blocks(rows []int32) []int {
	blocks := make([]int, len(rows))
	for i, row := range rows {
		blocks[i] = int(t.group[row]) / blockRows
	}
	slices.Sort(blocks)
	return slices.Compact(blocks)
}

// tune chooses how many rows a block looks at, and how often rows are looked at once more, which costs less than to look
// at twice as many, and nothing where it isn't needed.
func (ix *Index[T]) tune(ctx context.Context) error {
	t, err := ix.newTrial(ctx, tunedRows, 0.25)
	if err != nil {
		return err
	}
	n := ix.groups.count()
	for share := leastShare; ; share *= 2 {
		ix.look = min(max(2*cellRows, int(math.Ceil(min(share, MostShare)*float64(n)))), n)
		if ix.look == n {
			return nil
		}
		found, refined, err := t.measure(ctx)
		switch {
		case err != nil:
			return err
		case found.Share() >= wantedRecall:
			return nil
		case refined.Share() >= wantedRecall:
			ix.rounds = 1
			return nil
		case share >= MostShare:
			ix.rounds = mostRounds
			return nil
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

// Recall measures what was found, and refined, of the rows before To, on other rows than those by which the index chose
// where to look, but for single ones.
func (ix *Index[T]) Recall(ctx context.Context, found Result) (Recall, error) {
	t, err := ix.newTrial(ctx, recallRows, 0.75)
	if err != nil {
		return Recall{}, err
	}
	var recall Recall
	k := found.K
	if k == 0 || len(t.rows) == 0 {
		return recall, ctx.Err()
	}
	for i, row := range t.rows {
		recall.add(t.exact.Distance[i*k:(i+1)*k], found.Distance[int(row)*k:(int(row)+1)*k])
	}
	again, err := t.search(ctx, t.blocks(t.rows), t.rows, nil) // only for what it costs: other pods may have found the rest
	if err != nil {
		return recall, err
	}
	n := float64(ix.groups.count())
	refining := float64(ix.rounds * min(k, refineLists) * min(k, refineLists))
	recall.Compared = min(1, (float64(again.compared.Load())/float64(len(t.rows))+refining)/n)
	return recall, nil
}
