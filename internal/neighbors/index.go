package neighbors

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
)

const (
	// cellRows bounds a cell, and knotRows the rows that share a mean in the choice of cells. blockRows are the queries that
	// look into the same cells. A cut leaves at least one in cutRows on each side.
	cellRows, knotRows, blockRows, cutRows = 256, 32, 64, 8
	// spareEntries are those of a shortlist beyond what an exact search has: here the score decides alone.
	spareEntries = 8
	// tunedRows are searched exactly to choose the number of cells, and recallRows, others, to measure the recall.
	tunedRows, recallRows = 256, 2000
	// wantedRecall is looked for among shares of the rows, from leastShare on, doubled up to MostShare.
	wantedRecall = 0.995
	leastShare   = 1.0 / 512
	// meansOf are the rows that two means are made of, in meansRounds rounds, and cellRounds those in which rows go to the
	// nearest cell.
	meansOf, meansRounds, cellRounds = 128, 3, 2
)

// MostShare is about the largest share of all rows that an Index compares a row with.
const MostShare = 1.0 / 10

// An Index finds neighbors among the rows that lie in the cells around a row, and so perhaps not all of the nearest ones.
// Distances are exact, as those of [Search] are; of several rows at the same distance, any may be taken. What it finds
// depends on the matrix, K and the kernel that the processor has, and on nothing else; see Layout.
//
// It is an inverted file [Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011]. Its cells are found
// by cutting the rows in two between two means, and so on, and then by rounds of k-means. Rows are packed by cell, so that
// a cell is a stretch of the panels that the exact search's kernel takes. Rows that lie together look into the same cells,
// those whose means are nearest to any of them, until they have seen so many rows as a sample has shown to be enough.
type Index[T Float] struct {
	*searcher[T] // its groups are in the order of the cells
	space        *space
	keep         int
	cells        []stretch
	centers      []float64 // means of the cells
	// knots are the parts of cells, and knotMeans their means.
	knots     []stretch
	knotMeans []float64
	look      int // rows that a block looks at, at least
	rounds    int // in which Refine looks at all rows once more
}

// A stretch is the groups [from, to).
type stretch struct{ from, to int }

// NewIndex prepares the search for the K nearest neighbors of the rows before To in x. It holds a float32 copy of x and
// some 40 bytes for each row.
func NewIndex[T Float](ctx context.Context, x Matrix[T], o Options) (*Index[T], error) {
	if err := validate(x, &o); err != nil {
		return nil, err
	}
	largest, err := largestMagnitude(x, o.Threads)
	if err != nil {
		return nil, err
	}
	s := &searcher[T]{x: x, largest: largest, groups: groupRows(x, o.Threads), threads: o.Threads, kernel: kernels[0], answer: &answer{Options: o}}
	s.k = min(o.K, s.groups.count()-1)
	ix := &Index[T]{searcher: s, keep: shortlist(s.k) + spareEntries, space: newSpace(s.groups.count(), x.D)}
	if err := ix.arrange(ctx); err != nil {
		return nil, err
	}
	if ix.groups.count() == 0 {
		return ix, nil
	}
	pack(ix.space, x, ix.groups, ix.mean(), scaleFor(largest, x.D, farNorm/8), ix.threads)
	ix.centers = ix.means(ix.cells)
	ix.knotMeans = ix.means(ix.knots)
	if err := ix.tune(ctx); err != nil {
		return nil, err
	}
	return ix, nil
}

// Layout stands for the order in which the index has the rows, and where it looks. Another kernel may round otherwise, and
// so bring a row into another cell.
func (ix *Index[T]) Layout() [sha256.Size]byte {
	hash := sha256.New()
	for _, part := range [][]int32{ix.groups.start, ix.groups.members} {
		for chunk := range slices.Chunk(part, 1<<16) {
			data, _ := binary.Append(nil, binary.LittleEndian, chunk) // numbers always encode
			hash.Write(data)
		}
	}
	for _, s := range ix.cells {
		hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(s.to)))
	}
	hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(ix.look)))
	return [sha256.Size]byte(hash.Sum(nil))
}

// nearestCells are the cells that a block looks into, the nearest first, so that lists soon take little more.
func (ix *Index[T]) nearestCells(block int) []int {
	d := ix.x.D
	type near struct {
		cell int
		far  float64 // by what the nearest cell is, for the knot that it is least for
	}
	all := make([]near, len(ix.cells))
	for cell := range all {
		all[cell] = near{cell, math.Inf(1)}
	}
	from, _ := slices.BinarySearchFunc(ix.knots, block*blockRows, func(s stretch, group int) int { return cmp.Compare(s.to, group+1) })
	distances := make([]float64, len(ix.cells))
	for knot := from; knot < len(ix.knots) && ix.knots[knot].from < (block+1)*blockRows; knot++ {
		mean, nearest := ix.knotMeans[knot*d:(knot+1)*d], math.Inf(1)
		for cell := range distances {
			distances[cell] = distance(ix.centers[cell*d:(cell+1)*d], mean)
			nearest = min(nearest, distances[cell])
		}
		for cell, distance := range distances {
			all[cell].far = min(all[cell].far, distance/max(nearest, math.SmallestNonzeroFloat64))
		}
	}
	slices.SortFunc(all, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.cell, b.cell))
	})
	var cells []int
	for rows := 0; rows < ix.look && len(cells) < len(all); {
		cell := all[len(cells)].cell
		cells = append(cells, cell)
		rows += ix.cells[cell].to - ix.cells[cell].from
	}
	return cells
}

// Len is the number of groups of equal rows, in whose order the index searches.
func (ix *Index[T]) Len() int { return ix.groups.count() }

// Rows are those before To in the groups [from, to).
func (ix *Index[T]) Rows(from, to int) []int32 {
	rows := []int32{}
	for _, row := range ix.groups.members[ix.groups.start[from]:ix.groups.start[to]] {
		if int(row) < ix.answer.To {
			rows = append(rows, row)
		}
	}
	return rows
}

// Search finds the neighbors of Rows(from, to), in that order. It is fastest where from is a multiple of 64. Progress is
// told how many of these rows are answered.
func (ix *Index[T]) Search(ctx context.Context, from, to int, progress func(rows int)) (Result, error) {
	rows := ix.Rows(from, to)
	a, err := ix.search(ctx, blocksOf(from, to), rows, progress)
	return a.Result, err
}

// blocksOf are the blocks of the groups [from, to).
func blocksOf(from, to int) []int {
	var blocks []int
	for block := from / blockRows; block*blockRows < to; block++ {
		blocks = append(blocks, block)
	}
	return blocks
}

// All finds the neighbors of all rows before To, in their order.
func (ix *Index[T]) All(ctx context.Context, progress func(rows int)) (Result, error) {
	a, err := ix.search(ctx, blocksOf(0, ix.Len()), nil, progress)
	return a.Result, err
}

// answerTo makes room for an answer to rows, in their order; nil are all before To.
func (ix *Index[T]) answerTo(rows []int32) *answer {
	n, slots := ix.answer.To, []int32(nil)
	if rows != nil {
		n, slots = len(rows), make([]int32, ix.x.N)
		for i := range slots {
			slots[i] = -1
		}
		for i, row := range rows {
			slots[row] = int32(i)
		}
	}
	k := ix.answer.K
	a := &answer{Options: ix.answer.Options, slots: slots, Result: Result{K: k, Index: make([]int32, n*k), Distance: make([]float64, n*k)}}
	a.From, a.Progress = 0, nil
	return a
}

// search answers rows, which lie in these blocks, in their order; nil are all before To. It always returns an answer.
func (ix *Index[T]) search(ctx context.Context, blocks []int, rows []int32, progress func(rows int)) (*answer, error) {
	a := ix.answerTo(rows)
	a.Progress = progress
	if len(a.Result.Index) == 0 {
		return a, nil
	}
	here, s := *ix, *ix.searcher
	here.searcher, s.answer = &s, a
	var failed atomic.Bool
	parallelWith(ix.threads, len(blocks), 1, here.newLooker, func(l *looker[T], at, _ int) {
		if failed.Load() || l.answerBlock(ctx, blocks[at]) != nil {
			failed.Store(true)
		}
	})
	if failed.Load() {
		return &answer{}, ctx.Err()
	}
	return a, nil
}

// A looker searches blocks; each goroutine has its own.
type looker[T Float] struct {
	*Index[T]
	*block
	*verifier[T]
	// looked has, for each tile at an end of a cell, the round in which it was last looked at.
	looked []int32
	round  int32
}

func (ix *Index[T]) newLooker() *looker[T] {
	return ix.lookerOf(blockRows)
}

func (ix *Index[T]) lookerOf(rows int) *looker[T] {
	return &looker[T]{
		Index: ix, block: newBlock(ix.kernel, ix.x.D, rows, ix.keep), verifier: newVerifier(ix.searcher, ix.space),
		looked: make([]int32, len(ix.space.bias)/tileRows),
	}
}

// answerBlock answers the asked groups of a block.
func (l *looker[T]) answerBlock(ctx context.Context, block int) error {
	var asked []int
	for group := block * blockRows; group < min((block+1)*blockRows, l.Index.Len()); group++ {
		switch members := l.Index.groups.of(group); {
		case !slices.ContainsFunc(members, l.Index.answer.asks):
		case len(members) > l.Index.answer.K:
			l.Index.answer.write(l.Index.groups, group, nil, l.scratch)
		default:
			asked = append(asked, group)
		}
	}
	compared, err := l.lookAround(ctx, block, asked)
	if err != nil {
		return err
	}
	l.Index.answer.compared.Add(int64(compared * len(asked)))
	for i, group := range asked {
		if err := l.take(ctx, i, int32(group)); err != nil {
			return err
		}
		l.Index.answer.write(l.Index.groups, group, l.nearest, l.scratch)
	}
	return nil
}

// lookAround fills the lists of groups of a block from the cells around it, and says with how many rows it compared them.
func (l *looker[T]) lookAround(ctx context.Context, block int, asked []int) (compared int, err error) {
	if len(asked) == 0 {
		return 0, nil
	}
	l.load(l.Index.kernel, l.Index.space, len(asked), func(i int) int { return asked[i] })
	l.forget()
	cells := l.nearestCells(block)
	l.round++
	for _, cell := range cells {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		from, to := l.tiles(l.cells[cell])
		if from == to {
			continue
		}
		compared += to - from
		sp, d := l.Index.space, l.columns
		l.Index.kernel.scan(l.block, sp.panels[from*d:to*d], sp.bias[from:to], from, lists{})
	}
	return compared, nil
}

// tiles are the whole tiles that a stretch touches, without those at its ends that were looked at with another.
func (l *looker[T]) tiles(s stretch) (from, to int) {
	first, end := s.from/tileRows, (s.to+tileRows-1)/tileRows
	for first < end && l.looked[first] == l.round {
		first++
	}
	for first < end && l.looked[end-1] == l.round {
		end--
	}
	for _, tile := range []int{first, end - 1} {
		if first < end {
			l.looked[tile] = l.round
		}
	}
	return first * tileRows, end * tileRows
}

// take computes the distances of a list, and sorts the nearest. Where the list is too short, all rows are.
func (l *looker[T]) take(ctx context.Context, list int, group int32) error {
	n, x := l.nearest, l.Index.first(group)
	n.reset()
	_, index := l.list(list)
	l.order = l.order[:0]
	for _, row := range index {
		if row != group {
			l.order = append(l.order, uint64(row))
		}
	}
	slices.Sort(l.order) // the memory's order
	for left := l.order; len(left) > 0; {
		left = l.offerSome(x, left)
	}
	if len(n.index) < n.k {
		if err := l.Index.scanAll(ctx, n, group); err != nil {
			return err
		}
	}
	n.sort()
	return nil
}
