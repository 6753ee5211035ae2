package duplicates

import (
	"context"
	"maps"
	"slices"
)

// A Comparison is what a dataset has in common with a reference, such as a benchmark that a model is to be measured by.
type Comparison struct {
	// Rows are the dataset's rows that are a copy of, or directly linked to, a sample of the reference, ascending. Found
	// are those samples of the reference, by their positions in it.
	Rows, Found []int
	// ExactCopies counts the rows that show the same as a sample of the reference.
	ExactCopies int
	// Threshold and Judgment are as in a Result. They are of the pairs across alone.
	Threshold Threshold
	Judgment  *Judgment

	result *Result
}

// Compare finds the samples that a dataset and a reference share. The reference's samples come last, and are marked as a
// baseline's. All rows of reduced, an N×C matrix that is scaled in place, show what is around a pair, and pairs of one
// side are not looked at. So what is found in one reference doesn't depend on any other.
func Compare(ctx context.Context, samples []Sample, reduced []float64, components int, embeddings Rows, o Options) (*Comparison, error) {
	o.Across, o.NearMisses = true, 0
	r := &Result{Samples: samples, Scale: len(samples)}
	if _, _, err := r.link(ctx, reduced, components, embeddings, o); err != nil {
		return nil, err
	}
	c := &Comparison{Threshold: r.Threshold, Judgment: r.Judgment, result: r}
	audited := r.Audited()
	rows, found, exact := map[int]bool{}, map[int]bool{}, map[int]bool{}
	meet := func(rowsOf, others []int) {
		theirs, _ := slices.BinarySearch(others, audited) // they ascend
		if theirs == len(others) {
			return
		}
		for _, row := range rowsOf {
			if row >= audited {
				return
			}
			rows[row] = true
			for _, other := range others[theirs:] {
				found[other-audited] = true
				exact[row] = exact[row] || r.Exact(row, other)
			}
		}
	}
	r.pairs(func(a, b []int) {
		meet(a, b)
		if a[0] != b[0] {
			meet(b, a)
		}
	})
	c.Rows, c.Found = slices.Sorted(maps.Keys(rows)), slices.Sorted(maps.Keys(found))
	for _, is := range exact {
		if is {
			c.ExactCopies++
		}
	}
	return c, nil
}

// EachPair calls visit for each pair of a row and a sample of the reference, by its position in it, that are linked or
// copies. The link of copies is none. They come by row, then by position; see Result.EachPair for the limit.
func (c *Comparison) EachPair(limit int, visit func(row, sample int, link Link)) {
	audited := c.result.Audited()
	c.result.EachPair(limit, func(a, b int, link Link) {
		if a < audited && b >= audited {
			visit(a, b-audited, link)
		}
	})
}

// Links is the number of linked pairs of distinct vectors.
func (c *Comparison) Links() int { return len(c.result.Links) }

// Exact says whether a row shows the same as a sample of the reference.
func (c *Comparison) Exact(row, sample int) bool {
	return c.result.Exact(row, c.result.Audited()+sample)
}
