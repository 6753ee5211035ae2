package neighbors

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// groups are the sets of identical rows, ordered by their smallest row, but for an Index. That row stands for its group, so
// order by (distance, group) is order by (distance, smallest row).
type groups struct {
	start   []int32 // of each group in members, and the end
	members []int32 // rows, ascending within a group
}

func (g *groups) count() int           { return len(g.start) - 1 }
func (g *groups) of(group int) []int32 { return g.members[g.start[group]:g.start[group+1]] }
func (g *groups) first(group int) int  { return int(g.members[g.start[group]]) }

// groupRows finds the identical rows of x. −0 equals +0, as distances see it.
func groupRows[T Float](x Matrix[T], threads int) *groups {
	type hashed struct {
		hash uint64
		row  int32
	}
	rows := make([]hashed, x.N)
	parallel(threads, x.N, 1024, func(low, high int) {
		for i := low; i < high; i++ {
			rows[i] = hashed{hash(x.row(i)), int32(i)}
		}
	})
	slices.SortFunc(rows, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.row, b.row))
	})

	// Within a run of equal hashes compare with the groups begun so far, nearly always one. leader[i] is the smallest
	// row identical to row i.
	leader := make([]int32, x.N)
	var leaders []int32
	for i, r := range rows {
		if i == 0 || rows[i-1].hash != r.hash {
			leaders = leaders[:0]
		}
		at := slices.IndexFunc(leaders, func(l int32) bool {
			return slices.Equal(x.row(int(l)), x.row(int(r.row)))
		})
		if at < 0 {
			at = len(leaders)
			leaders = append(leaders, r.row)
		}
		leader[r.row] = leaders[at]
	}

	// Number the groups in the order of their leaders and sort by counting.
	g := &groups{start: []int32{0}, members: make([]int32, x.N)}
	number := make([]int32, x.N)
	for i, l := range leader {
		if int(l) == i {
			number[i] = int32(g.count())
			g.start = append(g.start, 0)
		} else {
			number[i] = number[l]
		}
		g.start[number[i]+1]++
	}
	for i := 1; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	next := slices.Clone(g.start)
	for i, n := range number {
		g.members[next[n]] = int32(i)
		next[n]++
	}
	return g
}

// hash is equal for rows that are equal.
func hash[T Float](row []T) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, v := range row {
		high, low := bits.Mul64(h^math.Float64bits(float64(v)+0), 0xd6e8feb86659fd93)
		h = high ^ low + 0x9e3779b97f4a7c15
	}
	return h
}
