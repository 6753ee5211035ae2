package duplicates

import (
	"cmp"
	"slices"
)

// A Removal is a row that a cleaned dataset can do without, because Keeper stays.
type Removal struct {
	Row, Keeper int
	// Exact says that the two are identical.
	Exact bool
}

// Removals says which rows to give up so that one of each cluster stays, by row. The medoid stays; but where a cluster has
// evaluation samples, one of them does, so that none is ever given up for a training sample, and else, where it has samples of
// the splits to keep, one of these: of them the medoid, or the nearest to the centroid. Of an oversized cluster, which may well
// be a chain of look-alikes, only exact copies go.
func (r *Result) Removals(evaluation, keep []string) []Removal {
	rank := func(row int) int {
		switch split := r.Samples[row].Split; {
		case slices.Contains(evaluation, split):
			return 2
		case slices.Contains(keep, split):
			return 1
		}
		return 0
	}
	var out []Removal
	giveUp := func(rows []int, keeper int) {
		for _, row := range rows {
			if row != keeper {
				out = append(out, Removal{Row: row, Keeper: keeper, Exact: r.copies.group[row] == r.copies.group[keeper]})
			}
		}
	}
	for _, c := range r.Clusters {
		if !c.Oversized {
			giveUp(c.Rows(), keeper(c, rank))
			continue
		}
		for _, m := range c.Members {
			if copies := r.Copies(m.Row); copies[0] == m.Row {
				giveUp(copies, slices.MinFunc(copies, func(a, b int) int { return rank(b) - rank(a) })) // the first of the highest rank
			}
		}
	}
	slices.SortFunc(out, func(a, b Removal) int { return a.Row - b.Row })
	return out
}

// keeper returns the row of the highest rank that stays: the medoid if it is among these, else the nearest to the centroid.
func keeper(c Cluster, rank func(row int) int) int {
	best := c.Members[0]
	for _, m := range c.Members {
		better := cmp.Or(rank(m.Row)-rank(best.Row), cmp.Compare(best.Distance, m.Distance), best.Row-m.Row)
		if better > 0 {
			best = m
		}
	}
	if rank(c.Medoid) == rank(best.Row) {
		return c.Medoid
	}
	return best.Row
}

// Inseparable returns, for each row, the first row of everything that a new split must keep on one side with it: its
// cluster, the samples of its group key, and theirs in turn.
func (r *Result) Inseparable() []int {
	sets := newUnion(len(r.Samples))
	for _, c := range r.Clusters {
		for _, m := range c.Members {
			sets.join(c.Members[0].Row, m.Row)
		}
	}
	first := map[string]int{}
	for row, s := range r.Samples {
		if s.Group == "" {
			continue
		}
		if at, known := first[s.Group]; known {
			sets.join(at, row)
		} else {
			first[s.Group] = row
		}
	}
	out := make([]int, len(r.Samples))
	for row := range out {
		out[row] = sets.find(row)
	}
	return out
}
