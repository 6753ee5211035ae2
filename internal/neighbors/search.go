package neighbors

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxBlock   = 768       // queries searched at once
	minBlock   = 96        // a multiple of tileRows and of all kernels' groups
	blockBytes = 1 << 20   // of a block's values and lists
	callFlops  = 1 << 29   // of one kernel call: the context is looked at between calls
	callValues = 1 << 20   // of one stretch of a brute search, likewise
	retryKeep  = 512       // entries of the longer shortlists
	fewRows    = 16        // rows that are not worth a space of their own
	localNorm  = 0x1p20    // norm of a local space's queries, far below farNorm
	meanRows   = 4096      // rows of a block of the mean
	closeness  = 1.0 / 4.0 // part of its last norm at which a row joins a local space
)

// A searcher answers one Search.
type searcher[T Float] struct {
	x       Matrix[T]
	largest float64 // max |x|
	groups  *groups
	k       int // neighbors among the groups
	threads int
	kernel  kernel
	answer  *answer
}

// An open row is a group whose neighbors are not yet proven.
type open struct {
	group int32
	bound float64 // its k-th neighbor is at most this far
	norm  float64 // its distance from the center of the last space it was searched in
}

func (s *searcher[T]) first(group int32) []T { return s.x.row(s.groups.first(int(group))) }

// run answers every group with a row between From and To.
func (s *searcher[T]) run(ctx context.Context) error {
	rest := s.duplicates()
	if len(rest) == 0 {
		return nil
	}
	keep := shortlist(s.k)
	if listCapacity(keep) >= s.groups.count() {
		return s.brute(ctx, rest)
	}

	// All rows around their mean, with a short list, then those left with a longer one.
	sp := newSpace(s.groups.count(), s.x.D)
	center := s.mean()
	pack(sp, s.x, s.groups, center, scaleFor(s.largest, s.x.D, farNorm/8), s.threads)
	pass := s.pass
	if s.mutual(len(rest), keep) {
		pass = s.mutualPass
	}
	rest, err := pass(ctx, sp, rest, keep)
	if err != nil || len(rest) == 0 {
		return err
	}
	if retry := max(retryKeep, 4*keep); listCapacity(retry) < s.groups.count() {
		if rest, err = s.pass(ctx, sp, rest, retry); err != nil || len(rest) == 0 {
			return err
		}
	}

	// What is left lies so close together that float32 cannot tell its rows apart from this center. Give each crowd a
	// center in its midst. The row that is the center is never tried twice, and the others are, at each try, at most a
	// quarter as far from the center as before.
	for i := range rest {
		rest[i].norm = distanceTo(s.first(rest[i].group), center)
	}
	for len(rest) > 0 {
		near, far := s.around(rest)
		if len(near) < fewRows {
			if err := s.brute(ctx, near); err != nil {
				return err
			}
			rest = far
			continue
		}
		reach := 0.0
		for i := range near {
			reach = max(reach, near[i].norm)
			near[i].bound = math.Inf(1) // the old one is too coarse for this space
		}
		pivot := near[0]
		for k, v := range s.first(pivot.group) {
			center[k] = float64(v)
		}
		pack(sp, s.x, s.groups, center, scaleFor(reach, 1, localNorm), s.threads)
		if near, err = s.pass(ctx, sp, near, 4*keep); err != nil {
			return err
		}
		if at := slices.IndexFunc(near, func(r open) bool { return r.group == pivot.group }); at >= 0 {
			if err := s.brute(ctx, near[at:at+1]); err != nil {
				return err
			}
			near = slices.Delete(near, at, at+1)
		}
		rest = slices.Concat(far, near)
	}
	return nil
}

// shortlist is the number of scores kept for k neighbors: the row itself and a reserve, so that the last is likely to
// lie clear of the k-th neighbor.
func shortlist(k int) int { return 1 + k + max(5, k/8) }

// duplicates answers the rows that have k copies and returns the other groups.
func (s *searcher[T]) duplicates() []open {
	var rest []open
	o := s.answer.Options
	scratch := &expansion{}
	for group := range s.groups.count() {
		members := s.groups.of(group)
		at, _ := slices.BinarySearch(members, int32(o.From))
		switch {
		case at == len(members) || int(members[at]) >= o.To:
		case len(members) > o.K:
			s.answer.write(s.groups, group, nil, scratch)
		default:
			rest = append(rest, open{group: int32(group), bound: math.Inf(1)})
		}
	}
	return rest
}

// mean returns the mean of the columns of x, near enough for a center.
func (s *searcher[T]) mean() []float64 {
	blocks := make([][]float64, (s.x.N+meanRows-1)/meanRows)
	inverse := 1 / float64(s.x.N) // first, so that no sum overflows
	parallel(s.threads, s.x.N, meanRows, func(low, high int) {
		sum := make([]float64, s.x.D)
		for i := low; i < high; i++ {
			for k, v := range s.x.row(i) {
				sum[k] += float64(v) * inverse
			}
		}
		blocks[low/meanRows] = sum
	})
	for _, b := range blocks[1:] {
		for k, v := range b {
			blocks[0][k] += v
		}
	}
	return blocks[0]
}

func distanceTo[T Float](row []T, center []float64) float64 {
	wide := make([]float64, len(row))
	for k, v := range row {
		wide[k] = float64(v)
	}
	return distance(wide, center)
}

// around splits the open rows into those close to the first of them, with their distances from it as norms, and the
// others.
func (s *searcher[T]) around(rows []open) (near, far []open) {
	pivot := s.first(rows[0].group)
	norms := make([]float64, len(rows))
	parallel(s.threads, len(rows), 256, func(low, high int) {
		for i := low; i < high; i++ {
			norms[i] = distance(pivot, s.first(rows[i].group))
		}
	})
	for i, r := range rows {
		if i == 0 || norms[i] <= closeness*r.norm {
			r.norm = norms[i]
			near = append(near, r)
		} else {
			far = append(far, r)
		}
	}
	return near, far
}

// pass searches rows in the space with lists of the given length, answers those that it can prove and returns the
// others, in order.
func (s *searcher[T]) pass(ctx context.Context, sp *space, rows []open, keep int) ([]open, error) {
	size := s.blockSize(len(rows), keep)
	var failed atomic.Bool
	proven := make([]bool, len(rows))
	type worker struct {
		*block
		*verifier[T]
	}
	parallelWith(s.threads, len(rows), size, func() worker {
		return worker{newBlock(s.kernel, s.x.D, size, keep), newVerifier(s, sp)}
	}, func(w worker, low, high int) {
		if failed.Load() {
			return
		}
		rows := rows[low:high]
		w.load(s.kernel, sp, len(rows), func(i int) int { return int(rows[i].group) })
		for i, r := range rows {
			w.threshold[i] = sp.threshold(r.bound)
		}
		if s.sweep(ctx, sp, w.block) != nil {
			failed.Store(true)
			return
		}
		w.verify(&w.lists, 0, rows, proven[low:high])
	})
	if failed.Load() {
		return nil, ctx.Err()
	}
	return unproven(rows, proven), nil
}

// blockSize is the number of queries to search at once: as many as leave their values and lists in the second cache and
// something to do for every thread.
func (s *searcher[T]) blockSize(rows, keep int) int {
	size := maxBlock
	for size > minBlock && (size*(4*s.x.D+8*listCapacity(keep)) > blockBytes || size*4*s.threads > rows) {
		size /= 2
	}
	return size
}

// sweep scans all rows of the space.
func (s *searcher[T]) sweep(ctx context.Context, sp *space, b *block) error {
	flops := 2 * tileRows * s.x.D * b.groups * s.kernel.group
	step := max(1, callFlops/flops) * tileRows
	for first := 0; first < len(sp.bias); first += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(first+step, len(sp.bias))
		s.kernel.scan(b, sp.panels[first*s.x.D:end*s.x.D], sp.bias[first:end], first, lists{})
	}
	return nil
}

func unproven(rows []open, proven []bool) []open {
	var rest []open
	for i, r := range rows {
		if !proven[i] {
			rest = append(rest, r)
		}
	}
	return rest
}

// A verifier computes shortlists exactly; each goroutine has its own.
type verifier[T Float] struct {
	*searcher[T]
	space   *space
	order   []uint64
	nearest *nearest
	scratch *expansion
}

func newVerifier[T Float](s *searcher[T], sp *space) *verifier[T] {
	return &verifier[T]{searcher: s, space: sp, nearest: newNearest(s.k), scratch: &expansion{}}
}

// verify answers those of the rows that their lists, which begin with the one numbered first, prove, marks them, and
// lowers the bounds of the others.
func (v *verifier[T]) verify(l *lists, first int, rows []open, proven []bool) {
	for i := range rows {
		r := &rows[i]
		if !math.IsInf(r.bound, 1) && l.threshold[first+i] > v.space.threshold(r.bound) {
			continue // more rows may come before the bound than the list has room for
		}
		if proven[i] = v.proves(l, first+i, r.group); proven[i] {
			v.nearest.sort()
			v.answer.write(v.groups, int(r.group), v.nearest, v.scratch)
		} else {
			r.bound = min(r.bound, v.nearest.bound())
		}
	}
}

// proves computes the distances of a shortlist, best scores first, and says whether they prove that no other row comes
// before the k-th.
func (v *verifier[T]) proves(l *lists, list int, group int32) bool {
	scores, index := l.list(list)
	v.order = v.order[:0]
	for i, row := range index {
		if row != group {
			v.order = append(v.order, descending(scores[i])<<32|uint64(uint32(row)))
		}
	}
	slices.Sort(v.order)

	sp, n, x := v.space, v.nearest, v.first(group)
	n.reset()
	threshold := l.threshold[list]
	for left := v.order; len(left) > 0; {
		if len(n.index) == n.k && sp.proves(max(ascending(left[0]>>32), threshold), n.bound()) {
			return sp.provesFar(sp.bias[group], n.bound())
		}
		left = v.offerSome(x, left)
	}
	if len(n.index) < n.k {
		return false
	}
	complete := math.IsInf(float64(threshold), -1)
	return (complete || sp.proves(threshold, n.bound())) && sp.provesFar(sp.bias[group], n.bound())
}

// offerSome offers the rows that the lower halves of the first numbers name, four at most, and returns the other numbers.
func (v *verifier[T]) offerSome(x []T, numbers []uint64) []uint64 {
	var four [4]int32
	m := min(len(numbers), 4)
	for i := range four {
		four[i] = int32(uint32(numbers[min(i, m-1)]))
	}
	distances := distances4(x, v.first(four[0]), v.first(four[1]), v.first(four[2]), v.first(four[3]))
	for i, d := range distances[:m] {
		v.nearest.offer(four[i], d)
	}
	return numbers[m:]
}

// descending maps scores to integers in the opposite order; ascending is its inverse.
func descending(score float32) uint64 {
	b := math.Float32bits(score)
	if b>>31 == 0 {
		return uint64(^b &^ (1 << 31))
	}
	return uint64(b)
}

func ascending(key uint64) float32 {
	b := uint32(key)
	if b>>31 == 0 {
		return math.Float32frombits(^b &^ (1 << 31))
	}
	return math.Float32frombits(b)
}

// brute answers rows by computing all their distances.
func (s *searcher[T]) brute(ctx context.Context, rows []open) error {
	var failed atomic.Bool
	type worker struct {
		nearest *nearest
		scratch *expansion
	}
	parallelWith(s.threads, len(rows), 1, func() *worker {
		return &worker{newNearest(s.k), &expansion{}}
	}, func(w *worker, low, _ int) {
		group := rows[low].group
		if failed.Load() || s.scanAll(ctx, w.nearest, group) != nil {
			failed.Store(true)
			return
		}
		w.nearest.sort()
		s.answer.write(s.groups, int(group), w.nearest, w.scratch)
	})
	if failed.Load() {
		return ctx.Err()
	}
	return nil
}

// scanAll offers all groups but the own.
func (s *searcher[T]) scanAll(ctx context.Context, n *nearest, own int32) error {
	n.reset()
	step := max(4, callValues/max(1, s.x.D)&^3)
	for from := 0; from < s.groups.count(); from += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.scan(n, s.first(own), own, from, min(from+step, s.groups.count()))
	}
	return nil
}

// scan offers the groups from low to high, without the row's own.
func (s *searcher[T]) scan(n *nearest, x []T, own int32, low, high int) {
	for j := low; j < high; j += 4 {
		last := high - 1
		distances := distances4(x, s.first(int32(j)), s.first(int32(min(j+1, last))),
			s.first(int32(min(j+2, last))), s.first(int32(min(j+3, last))))
		for i, d := range distances[:min(4, high-j)] {
			if int32(j+i) != own {
				n.offer(int32(j+i), d)
			}
		}
	}
}

// answer writes the result, from several goroutines.
type answer struct {
	Options
	Result Result
	slots  []int32 // of the rows in the result, −1 for those not asked for; nil: From to To

	mu   sync.Mutex
	done int
	// compared counts the rows that an Index compared groups with.
	compared atomic.Int64
}

// slot is a row's place in the result, and whether it has one.
func (a *answer) slot(row int32) (int, bool) {
	if a.slots != nil {
		return int(a.slots[row]), a.slots[row] >= 0
	}
	return int(row) - a.From, int(row) >= a.From && int(row) < a.To
}

func (a *answer) asks(row int32) bool {
	_, asked := a.slot(row)
	return asked
}

// expansion is the scratch of write.
type expansion struct {
	index    []int32
	distance []float64
}

// write turns the nearest groups of a group into the neighbors of each of its rows between From and To: first its own
// other rows, then the rows of the nearest groups, by (distance, row).
func (a *answer) write(g *groups, group int, n *nearest, e *expansion) {
	members := g.of(group)
	e.index, e.distance = e.index[:0], e.distance[:0]
	want := a.K - (len(members) - 1)
	for i := 0; n != nil && i < len(n.index) && len(e.index) < want; {
		from, d := len(e.index), n.distance[i]
		ties := 0
		for ; i < len(n.index) && n.distance[i] == d; i++ {
			rows := g.of(int(n.index[i]))
			e.index = append(e.index, rows[:min(len(rows), want)]...)
			ties++
		}
		if ties > 1 {
			slices.Sort(e.index[from:])
		}
		for range len(e.index) - from {
			e.distance = append(e.distance, d)
		}
	}

	answered := 0
	for _, row := range members {
		at, asked := a.slot(row)
		if !asked {
			continue
		}
		answered++
		at *= a.K
		index, distance := a.Result.Index[at:at+a.K], a.Result.Distance[at:at+a.K]
		copied := 0
		for _, other := range members {
			if copied == a.K {
				break
			}
			if other != row {
				index[copied], distance[copied] = other, 0
				copied++
			}
		}
		copy(index[copied:], e.index)
		copy(distance[copied:], e.distance)
	}
	if a.Progress != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.done += answered
		a.Progress(a.done)
	}
}
