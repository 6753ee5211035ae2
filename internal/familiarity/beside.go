package familiarity

import (
	"context"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/mixture"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// What is looked at: so many of the samples out of place, or of the least usual where none is, of the evaluation samples
// unlike all others, and of each label.
const (
	Shown        = 48
	ShownOfLabel = 8
)

// findBeside finds the samples to hold beside those that are looked at.
func (r *Result) findBeside(ctx context.Context, s Samples, x mixture.Matrix) error {
	r.Beside, r.BesideUnseen = map[int]int{}, map[int]int{}
	of := make([][]int, s.Classes)
	var all, others []int
	for row, held := range s.Held {
		all = append(all, row)
		if !held {
			others = append(others, row)
		}
		if label := s.Label[row]; label >= 0 {
			of[label] = append(of[label], row)
		}
	}
	for _, row := range first(r.Order(), Shown) {
		among := all
		if label := s.Label[row]; label >= 0 && len(of[label]) > 1 {
			among = of[label]
		}
		if err := beside(ctx, r.Beside, x, row, among); err != nil {
			return err
		}
	}
	for _, rows := range of {
		for _, row := range first(leastOf(rows, r.OfLabel), ShownOfLabel) {
			if err := beside(ctx, r.Beside, x, row, rows); err != nil {
				return err
			}
		}
	}
	for _, row := range first(r.Unseen, Shown) {
		if err := beside(ctx, r.BesideUnseen, x, row, others); err != nil {
			return err
		}
	}
	return nil
}

// beside notes the nearest other one of some rows, the first among equals, where there is one.
func beside(ctx context.Context, found map[int]int, x mixture.Matrix, row int, among []int) error {
	if _, known := found[row]; known {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if nearest, _ := neighbors.NearestOf(neighbors.Matrix[float64]{Data: x.Data, N: x.N, D: x.D}, row, slices.Values(among)); nearest >= 0 {
		found[row] = nearest
	}
	return nil
}

func first(rows []int, most int) []int { return rows[:min(len(rows), most)] }

// leastOf are some rows in the order of their numbers, the least first; without those that have none.
func leastOf(rows []int, x []float64) []int {
	own := make([]float64, len(rows))
	for i, row := range rows {
		own[i] = x[row]
	}
	order := below(own, math.Inf(1))
	for i, at := range order {
		order[i] = rows[at]
	}
	return order
}
