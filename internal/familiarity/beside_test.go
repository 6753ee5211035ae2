package familiarity

import (
	"cmp"
	"slices"
	"testing"
)

// Beside a sample stands the nearest one of its label, and beside an unseen one the nearest of the others; those that
// are looked at first have one.
func TestBeside(t *testing.T) {
	const n, d = 900, 3
	s, x := crowd(n, d)
	s.Label[20] = -1
	for _, row := range []int{20, 40, 45} {
		x[row*d+1] += 40 // out of place, and of the evaluation
	}
	got := find(t, s, x, d, Options{Components: 2, Threads: 2})
	nearest := func(row int, among func(other int) bool) int {
		var rows []int
		for other := range n {
			if other != row && among(other) {
				rows = append(rows, other)
			}
		}
		return slices.MinFunc(rows, func(a, b int) int { return cmp.Compare(apart(x, d, row, a), apart(x, d, row, b)) })
	}
	looked := got.Order()[:Shown]
	for label := range int32(2) {
		var rows []int
		for row, l := range s.Label {
			if l == label {
				rows = append(rows, row)
			}
		}
		looked = append(looked, got.OrderOfLabel(rows)[:ShownOfLabel]...)
	}
	for _, row := range looked {
		want := nearest(row, func(other int) bool { return s.Label[row] < 0 || s.Label[other] == s.Label[row] })
		if found, known := got.Beside[row]; !known || found != want {
			t.Errorf("beside row %d stands %d, want %d", row, found, want)
		}
	}
	if len(got.Unseen) < 3 {
		t.Fatalf("unseen are %v", got.Unseen)
	}
	for _, row := range got.Unseen[:min(len(got.Unseen), Shown)] {
		want := nearest(row, func(other int) bool { return !s.Held[other] })
		if found, known := got.BesideUnseen[row]; !known || found != want {
			t.Errorf("beside the unseen row %d stands %d, want %d", row, found, want)
		}
	}
}

func apart(x []float64, d, a, b int) float64 {
	sum := 0.0
	for k := range d {
		off := x[a*d+k] - x[b*d+k]
		sum += off * off
	}
	return sum
}
