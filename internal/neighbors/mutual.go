package neighbors

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// listBytes is what the lists of all rows may take in any case; beyond it, as much as the packed rows.
const listBytes = 256 << 20

// stretchFlops is the work of a sweep within one lock: enough to make locking cheap, little enough that goroutines find
// stretches of their own.
const stretchFlops = 1 << 25

// mutual says whether to score each pair of rows once, for both of them: if all rows are asked for, and there is room
// for all their lists at once.
func (s *searcher[T]) mutual(rows, keep int) bool {
	all := s.groups.count()
	return rows == all && 8*listCapacity(keep)*all <= max(listBytes, 4*s.x.D*all)
}

// mutualPass is pass for all rows, at half the work. The rows are cut into blocks. A sweep scores one block against
// itself and all blocks after it and offers each score to both sides: to the block's own lists, taken out of the common
// ones for that time, and to the other block's, under the lock of its stretch of blocks. Sweeps begin in order, and a
// block is complete when its sweep and all earlier ones are done.
func (s *searcher[T]) mutualPass(ctx context.Context, sp *space, rows []open, keep int) ([]open, error) {
	size := s.blockSize(len(rows), keep)
	n, blocks := len(rows), (len(rows)+size-1)/size
	all := newLists(len(sp.bias), keep)
	for i := range all.threshold {
		all.threshold[i] = float32(math.Inf(-1))
	}
	stretch := max(1, stretchFlops/(2*size*size*max(1, s.x.D))) * size
	locks := make([]sync.Mutex, (n+stretch-1)/stretch)
	swept := make([]bool, blocks)
	var complete int // blocks, under the lock of progress
	var progress sync.Mutex
	proven := make([]bool, n)

	var failed atomic.Bool
	type worker struct {
		*block
		*verifier[T]
		pending []int // stretches
	}
	parallelWith(s.threads, n, size, func() *worker {
		return &worker{block: newBlock(s.kernel, s.x.D, size, keep), verifier: newVerifier(s, sp)}
	}, func(w *worker, low, high int) {
		if failed.Load() || ctx.Err() != nil {
			failed.Store(true)
			return
		}
		w.block.first = low
		w.load(s.kernel, sp, high-low, func(i int) int { return low + i })
		lock := &locks[low/stretch]
		lock.Lock()
		theirs := all.slice(low, high)
		copy(w.score, theirs.score)
		copy(w.index, theirs.index)
		copy(w.length, theirs.length)
		copy(w.threshold, theirs.threshold)
		clear(theirs.length)
		lock.Unlock()

		end := min(low+size, len(sp.bias))
		s.kernel.scan(w.block, sp.panels[low*s.x.D:end*s.x.D], sp.bias[low:end], low, lists{})
		w.pending = w.pending[:0]
		for i := low / stretch; i < len(locks); i++ {
			w.pending = append(w.pending, i)
		}
		for len(w.pending) > 0 {
			if failed.Load() || ctx.Err() != nil {
				failed.Store(true)
				return
			}
			at := lockOne(locks, w.pending)
			i := w.pending[at]
			from, to := max(i*stretch, end), min((i+1)*stretch, len(sp.bias))
			if from < to {
				s.kernel.scan(w.block, sp.panels[from*s.x.D:to*s.x.D], sp.bias[from:to], from, all.slice(from, to))
			}
			locks[i].Unlock()
			w.pending = slices.Delete(w.pending, at, at+1)
		}

		lock.Lock()
		for i := range high - low {
			scores, index := w.list(i)
			for j, score := range scores {
				theirs.offer(i, score, index[j])
			}
			theirs.threshold[i] = max(theirs.threshold[i], w.threshold[i])
		}
		lock.Unlock()

		progress.Lock()
		swept[low/size] = true
		begin := complete
		for complete < blocks && swept[complete] {
			complete++
		}
		until := complete
		progress.Unlock()
		for b := begin; b < until; b++ {
			low, high := b*size, min((b+1)*size, n)
			w.verify(&all, low, rows[low:high], proven[low:high])
		}
	})
	if failed.Load() {
		return nil, ctx.Err()
	}
	return unproven(rows, proven), nil
}

// lockOne locks one of the pending locks, preferably a free one, and returns its place among them.
func lockOne(locks []sync.Mutex, pending []int) int {
	for at, i := range pending {
		if locks[i].TryLock() {
			return at
		}
	}
	locks[pending[0]].Lock()
	return 0
}
