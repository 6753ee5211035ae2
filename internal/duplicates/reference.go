package duplicates

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// A Comparison is what a dataset has in common with a reference, such as a benchmark that a model is to be measured by.
type Comparison struct {
	// Matches are the dataset's rows that are a copy of, or directly linked to, a sample of the reference, ascending.
	Matches []Match
	// Found are those samples of the reference, by their positions in it, ascending.
	Found []int
	// ExactCopies counts the rows that show the same as a sample of the reference.
	ExactCopies int
	// Judgment is as in a Result, of the pairs across alone.
	Judgment *Judgment

	result *Result
}

// A Match is a row with the sample of the reference that is nearest to it: one that shows the same if there is any, else
// the one of the shortest link, the first of several.
type Match struct {
	Row, Sample int
	// Link is none for copies. Exact says that the two show the same.
	Link  Link
	Exact bool
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
	c := &Comparison{Judgment: r.Judgment, result: r}
	audited := r.Audited()
	best, found := map[int]Match{}, map[int]bool{}
	meet := func(rows, others []int, link Link) { // both ascend
		mine, _ := slices.BinarySearch(rows, audited)
		theirs, _ := slices.BinarySearch(others, audited)
		rows, others = rows[:mine], others[theirs:]
		if len(rows) == 0 || len(others) == 0 {
			return
		}
		for _, other := range others {
			found[other-audited] = true
		}
		for _, row := range rows {
			m := Match{Row: row, Sample: others[0] - audited, Link: link}
			if at := slices.IndexFunc(others, func(other int) bool { return r.Exact(row, other) }); at >= 0 {
				m.Sample, m.Exact = others[at]-audited, true
			}
			if before, known := best[row]; !known || m.Compare(before) < 0 {
				best[row] = m
			}
		}
	}
	for _, rows := range r.CopyGroups() {
		meet(rows, rows, Link{})
	}
	for _, l := range r.Links {
		meet(r.Copies(l.A), r.Copies(l.B), l)
		meet(r.Copies(l.B), r.Copies(l.A), l)
	}
	c.Found = slices.Sorted(maps.Keys(found))
	for _, row := range slices.Sorted(maps.Keys(best)) {
		c.Matches = append(c.Matches, best[row])
		if best[row].Exact {
			c.ExactCopies++
		}
	}
	return c, nil
}

// Compare orders matches by what they tell: exact copies first, then those of the shorter link.
func (m Match) Compare(other Match) int {
	if m.Exact != other.Exact {
		if m.Exact {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(m.Link.Distance, other.Link.Distance), cmp.Compare(m.Sample, other.Sample))
}

// EachPair calls visit for each pair of a row and a sample of the reference, by its position in it, that are linked or
// copies. The link of copies is none. They come by row, then by position. In a group of more than limit copies, each row
// is paired with one sample alone, as Matches has it; see Result.EachPair.
func (c *Comparison) EachPair(limit int, visit func(row, sample int, link Link)) {
	audited, rest := c.result.Audited(), c.Matches
	unpaired := func(until int) {
		for ; len(rest) > 0 && rest[0].Row < until; rest = rest[1:] {
			visit(rest[0].Row, rest[0].Sample, rest[0].Link)
		}
	}
	c.result.EachPair(limit, func(a, b int, link Link) {
		if a >= audited || b < audited {
			return
		}
		unpaired(a)
		if len(rest) > 0 && rest[0].Row == a {
			rest = rest[1:]
		}
		visit(a, b-audited, link)
	})
	unpaired(audited)
}

// Links is the number of linked pairs of distinct vectors.
func (c *Comparison) Links() int { return len(c.result.Links) }
