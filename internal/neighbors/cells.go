package neighbors

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
)

// arrange orders the groups by cells, and within them by knots.
func (ix *Index[T]) arrange(ctx context.Context) error {
	n := ix.groups.count()
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	along := make([]float64, n) // of a group on the line of the cut that it takes part in
	ix.cells = ix.divide(ctx, order, along, stretch{0, n}, cellRows, ix.threads)
	for range cellRounds {
		if len(ix.cells) < 2 {
			break
		}
		ix.renumber(order)
		if err := ix.assign(ctx, order); err != nil {
			return err
		}
	}
	var cells []stretch
	for _, cell := range ix.cells { // so that a crowd is not compared as a whole
		cells = append(cells, ix.divide(ctx, order, along, cell, 2*cellRows, ix.threads)...)
	}
	ix.cells = cells
	knots := make([][]stretch, len(ix.cells)) // by cell
	parallel(ix.threads, len(ix.cells), 1, func(cell, _ int) {
		knots[cell] = ix.divide(ctx, order, along, ix.cells[cell], knotRows, 1)
	})
	ix.knots = slices.Concat(knots...)
	ix.renumber(order)
	return ctx.Err()
}

// divide cuts a stretch until its parts have so many groups at most, and orders the groups by them. It stops early when
// the context ends.
func (ix *Index[T]) divide(ctx context.Context, order []int32, along []float64, whole stretch, most, threads int) (parts []stretch) {
	for left := []stretch{whole}; len(left) > 0; {
		s := left[len(left)-1]
		left = left[:len(left)-1]
		if s.to-s.from <= most || ctx.Err() != nil {
			parts = append(parts, s)
			continue
		}
		middle := ix.halve(order, along, s, threads)
		left = append(left, stretch{middle, s.to}, stretch{s.from, middle})
	}
	return parts
}

// renumber brings the groups into an order, in which they are numbered from then on.
func (ix *Index[T]) renumber(order []int32) {
	ordered := &groups{start: make([]int32, 1, len(order)+1), members: make([]int32, 0, len(ix.groups.members))}
	for i, group := range order {
		ordered.members = append(ordered.members, ix.groups.of(int(group))...)
		ordered.start = append(ordered.start, int32(len(ordered.members)))
		order[i] = int32(i)
	}
	ix.groups = ordered
}

// assign moves each group to the cell whose mean is nearest to it: order has them by cell then.
func (ix *Index[T]) assign(ctx context.Context, order []int32) error {
	d := ix.x.D
	centers := Matrix[float64]{Data: ix.means(ix.cells), N: len(ix.cells), D: d}
	sp, middle := newSpace(centers.N, d), make([]float64, d)
	scale := scaleFor(ix.largest, d, farNorm/8)
	pack(sp, centers, singles(centers.N), middle, scale, ix.threads)
	cells := make([]int32, len(order))
	var failed atomic.Bool
	parallelWith(ix.threads, len(order), maxBlock, func() *block { return newBlock(ix.kernel, d, maxBlock, 1) }, func(b *block, low, high int) {
		b.loadRows(ix.kernel, high-low, func(i int, out []float32) float32 {
			norm := 0.0
			for k, v := range ix.first(int32(low + i)) {
				out[k*ix.kernel.group] = float32(float64(v) * scale)
				norm += float64(out[k*ix.kernel.group]) * float64(out[k*ix.kernel.group])
			}
			return float32(-0.5 * norm)
		})
		b.forget()
		if failed.Load() || ix.sweep(ctx, sp, b) != nil {
			failed.Store(true)
			return
		}
		for i := range high - low {
			scores, index := b.list(i)
			for at, score := range scores {
				if at == 0 || score > scores[0] || score == scores[0] && index[at] < index[0] {
					scores[0], index[0] = score, index[at]
				}
			}
			if len(index) > 0 { // else it is too far from everything, and any cell will do
				cells[low+i] = index[0]
			}
		}
	})
	if failed.Load() {
		return ctx.Err()
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(cmp.Compare(cells[a], cells[b]), cmp.Compare(a, b)) })
	ix.cells = ix.cells[:0]
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && cells[order[to]] == cells[order[from]] {
			to++
		}
		ix.cells = append(ix.cells, stretch{from, to})
		from = to
	}
	return nil
}

// singles are n rows of which no two are known to be equal.
func singles(n int) *groups {
	g := &groups{start: make([]int32, n+1), members: make([]int32, n)}
	for i := range n {
		g.start[i+1], g.members[i] = int32(i+1), int32(i)
	}
	return g
}

// halve orders a stretch along the line through two means of it, and returns where it is cut: in the middle between them.
func (ix *Index[T]) halve(order []int32, along []float64, s stretch, threads int) int {
	groups := order[s.from:s.to]
	direction, cut := ix.between(groups)
	parallel(threads, len(groups), 1024, func(low, high int) {
		for _, group := range groups[low:high] {
			sum := 0.0
			for k, v := range ix.first(group) {
				sum += float64(v) * direction[k]
			}
			along[group] = sum
		}
	})
	slices.SortFunc(groups, func(a, b int32) int {
		return cmp.Or(cmp.Compare(along[a], along[b]), cmp.Compare(a, b))
	})
	least := max(1, len(groups)/cutRows)
	at, _ := slices.BinarySearchFunc(groups, cut, func(group int32, cut float64) int { return cmp.Compare(along[group], cut) })
	return s.from + min(max(at, least), len(groups)-least)
}

// between is the difference of two means of some of the groups, and where the middle of them lies along it.
func (ix *Index[T]) between(groups []int32) (direction []float64, cut float64) {
	n := min(len(groups), meansOf)
	some := make([]int32, n)
	for i := range some {
		some[i] = groups[i*len(groups)/n]
	}
	wide := func(group int32) []float64 {
		row := make([]float64, ix.x.D)
		for k, v := range ix.first(group) {
			row[k] = float64(v)
		}
		return row
	}
	farthest := func(from []float64) []float64 {
		at, most := some[0], -1.0
		for _, group := range some {
			if d := distanceTo(ix.first(group), from); d > most {
				at, most = group, d
			}
		}
		return wide(at)
	}
	one := farthest(wide(some[0]))
	two := farthest(one)
	for range meansRounds {
		sums, counts := [2][]float64{make([]float64, ix.x.D), make([]float64, ix.x.D)}, [2]float64{}
		for _, group := range some {
			row, side := ix.first(group), 0
			if distanceTo(row, two) < distanceTo(row, one) {
				side = 1
			}
			counts[side]++
			for k, v := range row {
				sums[side][k] += float64(v)
			}
		}
		for side, mean := range [2][]float64{one, two} {
			for k := range mean {
				if counts[side] > 0 {
					mean[k] = sums[side][k] / counts[side]
				}
			}
		}
	}
	for k := range one {
		middle := (one[k] + two[k]) / 2
		two[k] -= one[k]
		cut += middle * two[k]
	}
	return two, cut
}

// means are those of stretches, one row for each.
func (ix *Index[T]) means(of []stretch) []float64 {
	d := ix.x.D
	all := make([]float64, len(of)*d)
	parallel(ix.threads, len(of), 16, func(low, high int) {
		for i := low; i < high; i++ {
			mean, part := all[i*d:(i+1)*d], 1/float64(of[i].to-of[i].from)
			for group := of[i].from; group < of[i].to; group++ {
				for k, v := range ix.first(int32(group)) {
					mean[k] += float64(v) * part
				}
			}
		}
	})
	return all
}
