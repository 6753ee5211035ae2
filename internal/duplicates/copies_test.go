package duplicates

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Groups of copies, row by row: each goes to the newest group that is like it and holds no row that it must not meet.
func TestFindCopiesAgainstDefinition(t *testing.T) {
	many := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 24))
		n := 1 + random.IntN(30)
		audited := random.IntN(n + 1)
		var sets [][]int
		if n > 1 {
			sets = judgements(random, n)
		}
		values := make([][]float32, n)
		for i := range values {
			values[i] = []float32{float32(random.IntN(2)), []float32{0, float32(math.Copysign(0, -1)), 1}[random.IntN(3)]}
		}
		var want [][]int
		for row := range n {
			at := -1
			for i, rows := range want {
				fits := slices.Equal(values[rows[0]], values[row])
				for _, other := range rows {
					fits = fits && !judged(sets, row, other) && (row < audited || other < audited)
				}
				if fits {
					at = i
				}
			}
			if at < 0 {
				want = append(want, []int{row})
				continue
			}
			want[at] = append(want[at], row)
		}
		found := findCopies(n, audited, func(i int) []float32 { return values[i] }, newApart(sets, never))
		var got [][]int
		for i, first := range found.firsts {
			if rows := found.rows(i); rows[0] != first || len(rows) > 1 != (found.members[i] != nil) {
				t.Fatalf("seed %d: group %d of %v begins at %d", seed, i, rows, first)
			}
			got = append(got, found.rows(i))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, apart %v, a baseline from %d (-want +got):\n%s", seed, sets, audited, diff)
		}
		for i, rows := range want {
			for _, row := range rows {
				if found.group[row] != i {
					t.Fatalf("seed %d: row %d is in group %d, want %d", seed, row, found.group[row], i)
				}
			}
			if len(rows) > 2 {
				many++
			}
		}
	}
	if many < 50 {
		t.Errorf("only %d groups of more than two", many)
	}
}
