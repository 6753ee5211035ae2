package audit

import (
	"context"
	"fmt"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// leastApproximate is the number of rows from which an approximate search is worth its preparation.
const leastApproximate = 1 << 16

// A finder finds the neighbors of the rows of a matrix in units of work, each of which answers some of the rows. A
// neighbors.Index is one.
type finder interface {
	Len() int
	// Rows are those that the units [from, to) answer.
	Rows(from, to int) []int32
	// Search answers them, in that order, and All all rows, in theirs.
	Search(ctx context.Context, from, to int, progress func(rows int)) (neighbors.Result, error)
	All(ctx context.Context, progress func(rows int)) (neighbors.Result, error)
}

// exact is the finder whose units are the rows.
type exact struct {
	x neighbors.Matrix[float64]
	o neighbors.Options
}

func (e exact) Len() int { return e.o.To }

func (e exact) Rows(from, to int) []int32 {
	rows := make([]int32, to-from)
	for i := range rows {
		rows[i] = int32(from + i)
	}
	return rows
}

func (e exact) Search(ctx context.Context, from, to int, progress func(rows int)) (neighbors.Result, error) {
	o := e.o
	o.From, o.To, o.Progress = from, to, progress
	return neighbors.Search(ctx, e.x, o)
}

func (e exact) All(ctx context.Context, progress func(rows int)) (neighbors.Result, error) {
	return e.Search(ctx, 0, e.o.To, progress)
}

// search finds neighbors as the spec asks: exactly or not, all at once or with what other pods have found.
func (r *Run) search(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (neighbors.Result, error) {
	approximate := r.approximates(x.N)
	switch {
	case !approximate && r.exchange == nil:
		return neighbors.Search(ctx, x, o)
	case !approximate:
		return r.exchange.search(ctx, exact{x, o}, x, o)
	}
	index, err := neighbors.NewIndex(ctx, x, o)
	if err != nil {
		return neighbors.Result{}, err
	}
	var found neighbors.Result
	if r.exchange != nil {
		found, err = r.exchange.search(ctx, index, x, o, "approximate", fmt.Sprintf("%x", index.Layout()))
	} else {
		found, err = index.All(ctx, o.Progress)
	}
	if err != nil {
		return found, err
	}
	if err := index.Refine(ctx, found); err != nil {
		return found, err
	}
	recall, err := index.Recall(ctx, found)
	if err != nil {
		return found, err
	}
	low, _ := recall.Interval()
	if r.searched.Method == "" || recall.Share() < r.searchedRecall {
		r.searchedRecall = recall.Share()
		r.searched = v1alpha1.SearchSummary{
			Method: v1alpha1.SearchApproximate, Recall: v1alpha1.NewDecimal(recall.Share()), RecallAtLeast: v1alpha1.NewDecimal(low),
			SampledRows: int64(recall.Rows), ComparedShare: v1alpha1.NewDecimal(recall.Compared),
		}
	}
	return found, nil
}

// approximates says whether the neighbors of so many rows are searched approximately.
func (r *Run) approximates(rows int) bool {
	return r.Audit.Spec.Duplicates.Search == v1alpha1.SearchApproximate && rows >= leastApproximate
}

// searchedExactly is what a summary says of a layer without an approximate search.
var searchedExactly = v1alpha1.SearchSummary{Method: v1alpha1.SearchExact, Recall: "1", RecallAtLeast: "1", ComparedShare: "1"}

// howSearched is how neighbors were searched since it was last asked.
func (r *Run) howSearched() v1alpha1.SearchSummary {
	searched := r.searched
	r.searched = v1alpha1.SearchSummary{}
	if searched.Method == "" {
		return searchedExactly
	}
	return searched
}

// percent writes a share for people.
func percent(share v1alpha1.Decimal) string {
	x, err := share.Float64()
	if err != nil {
		return string(share)
	}
	return fmt.Sprintf("%.3g %%", 100*x)
}
