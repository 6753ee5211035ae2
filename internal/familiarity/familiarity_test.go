package familiarity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// crowd is rows of two classes around (0, …) and (8, 0, …), train and test in turn.
func crowd(n, d int) (Samples, []float64) {
	r := rand.New(rand.NewPCG(2, 9))
	s := Samples{Classes: 2}
	var x []float64
	for i := range n {
		class := int32(i % 2)
		s.Label, s.Held = append(s.Label, class), append(s.Held, i%5 == 0)
		for k := range d {
			v := r.NormFloat64()
			if k == 0 {
				v += 8 * float64(class)
			}
			x = append(x, v)
		}
	}
	return s, x
}

func find(t *testing.T, s Samples, x []float64, d int, o Options) *Result {
	t.Helper()
	got, err := Find(t.Context(), s, x, d, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Who lies between two classes is rare overall; who lies in the other class is usual there, and rare in the own.
func TestFind(t *testing.T) {
	const n, d = 2000, 4
	s, x := crowd(n, d)
	x[7*d+1] = 30 // of no class
	s.Label[100] = 1
	got := find(t, s, x, d, Options{Threads: 2})
	if got.Components != 2 {
		t.Errorf("%d components, of two classes", got.Components)
	}
	if len(got.Rare) == 0 || got.Rare[0] != 7 || len(got.Rare) > 5 {
		t.Errorf("rare are %v", got.Rare)
	}
	least := 0
	for row, v := range got.OfLabel {
		if s.Label[row] == 1 && v < got.OfLabel[least] || s.Label[least] != 1 {
			least = row
		}
	}
	order := []int{}
	for row := range got.OfLabel {
		if s.Label[row] == 1 {
			order = append(order, row)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		if got.OfLabel[a] < got.OfLabel[b] {
			return -1
		}
		return 1
	})
	if !slices.Contains(order[:2], 100) || slices.Contains(got.Rare, 100) {
		t.Errorf("the least usual of label 1 are %v; row 100 is of label 0, and rare overall: %v", order[:2], slices.Contains(got.Rare, 100))
	}
	if again := find(t, s, x, d, Options{Threads: 7}); !cmp.Equal(got, again, cmpopts.EquateNaNs()) {
		t.Error("other threads give another result")
	}
}

// Evaluation samples that lie where no training sample does are unseen; others aren't.
func TestUnseen(t *testing.T) {
	const n, d = 1500, 3
	s, x := crowd(n, d)
	var planted []int
	for row := 0; row < 200; row += 20 { // all of them are held
		x[row*d+2] += 12
		planted = append(planted, row)
	}
	got := find(t, s, x, d, Options{Components: 5, Threads: 2})
	if hits := len(got.Unseen); hits < len(planted) || hits > len(planted)+3 {
		t.Errorf("%d unseen, planted are %d", hits, len(planted))
	}
	first := slices.Sorted(slices.Values(got.Unseen[:min(len(planted), len(got.Unseen))]))
	if diff := cmp.Diff(planted, first); diff != "" {
		t.Errorf("(-planted +unseen)\n%s", diff)
	}
	for row, v := range got.AmongOthers {
		if math.IsNaN(v) == s.Held[row] {
			t.Fatalf("row %d, held %v: %v", row, s.Held[row], v)
		}
	}
}

// One side, no labels, few rows, equal rows: what can't be said is left out.
func TestFindLittle(t *testing.T) {
	for _, n := range []int{1, 2, 7, 40} {
		s := Samples{Label: slices.Repeat([]int32{-1}, n), Held: make([]bool, n)}
		got := find(t, s, slices.Repeat([]float64{3, 4}, n), 2, Options{})
		if len(got.Density) != n || got.AmongOthers != nil || len(got.Unseen) > 0 || len(got.Rare) > 0 {
			t.Errorf("%d equal rows: %+v", n, got)
		}
	}
}

// Of many rows a choice is fitted to, spread over all, and all get a density.
func TestThinned(t *testing.T) {
	rows := make([]int, 3*FittedRows+1)
	for i := range rows {
		rows[i] = 7 * i
	}
	few := thinned(rows, 1<<20)
	if len(few) != FittedRows || few[0] != 0 || few[len(few)-1] < 7*(len(rows)-4) || !slices.IsSorted(few) {
		t.Errorf("%d rows, from %d to %d of %d", len(few), few[0], few[len(few)-1], rows[len(rows)-1])
	}
	if all := thinned(nil, FittedRows); all != nil {
		t.Errorf("%d of as many rows as may be are chosen", len(all))
	}
	s, x := crowd(2*FittedRows, 2)
	x[2*9999] = 300
	if got := find(t, s, x, 2, Options{Components: 3, Threads: 2}); len(got.Density) != 2*FittedRows || len(got.Rare) == 0 || got.Rare[0] != 9999 {
		t.Errorf("%d densities, rare are %v", len(got.Density), got.Rare)
	}
}
