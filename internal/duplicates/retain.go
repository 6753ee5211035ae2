package duplicates

import (
	"cmp"
	"slices"
)

// A Removal is a row that a cleaned dataset can do without, because Keeper stays.
type Removal struct {
	Row, Keeper int
	// Exact says that the two show the same.
	Exact bool
}

// A Rule says which sample of a cluster stays.
type Rule struct {
	// Evaluation samples stay before all others, so that none is ever given up for a training sample. Samples of the
	// splits in Keep come next.
	Evaluation, Keep []string
	// Worth ranks samples of the same standing: the one with more worth stays. If it is nil, all are worth the same.
	Worth func(Sample) float64
	// First prefers the first of the samples that are worth the same. Otherwise the medoid stays.
	First bool
}

// standing orders samples by what they are, before their worth counts. Samples of a baseline are out of reach and stay
// in any case.
func (rule Rule) standing(s Sample) int {
	switch {
	case s.Baseline:
		return 3
	case slices.Contains(rule.Evaluation, s.Split):
		return 2
	case slices.Contains(rule.Keep, s.Split):
		return 1
	}
	return 0
}

// compare is positive if a is to stay before b by standing and worth. A worth of NaN is less than any other.
func (rule Rule) compare(a, b Sample) int {
	if order := rule.standing(a) - rule.standing(b); order != 0 || rule.Worth == nil {
		return order
	}
	return cmp.Compare(rule.Worth(a), rule.Worth(b))
}

// Removals returns the rows to give up, by row, so that one row of each cluster stays: the one that the rule puts
// first. If the rule puts several first, the medoid stays. If that is not among them, the one nearest to the centroid
// stays. Of an oversized cluster, only exact copies go, because it may well be a chain of look-alikes.
func (r *Result) Removals(rule Rule) []Removal {
	var out []Removal
	giveUp := func(rows []int, keeper int) {
		for _, row := range rows {
			if row != keeper && !r.Samples[row].Baseline {
				out = append(out, Removal{Row: row, Keeper: keeper, Exact: r.Exact(row, keeper)})
			}
		}
	}
	for _, c := range r.Clusters {
		if !c.Oversized {
			giveUp(c.Rows(), r.keeper(c, rule))
			continue
		}
		for _, m := range c.Members {
			if copies := r.Copies(m.Row); copies[0] == m.Row {
				for _, same := range r.Pictures(copies) {
					giveUp(same, slices.MinFunc(same, func(a, b int) int { // the first of the best ones
						return rule.compare(r.Samples[b], r.Samples[a])
					}))
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Removal) int { return a.Row - b.Row })
	return out
}

// keeper returns the row of a cluster that stays.
func (r *Result) keeper(c Cluster, rule Rule) int {
	best := c.Members[0]
	better := func(m Member) bool {
		if order := rule.compare(r.Samples[m.Row], r.Samples[best.Row]); order != 0 || rule.First {
			return cmp.Or(order, best.Row-m.Row) > 0
		}
		if m.Row == c.Medoid || best.Row == c.Medoid {
			return m.Row == c.Medoid
		}
		return cmp.Or(cmp.Compare(best.Distance, m.Distance), best.Row-m.Row) > 0
	}
	for _, m := range c.Members {
		if better(m) {
			best = m
		}
	}
	return best.Row
}

// Inseparable returns, for each row, the first row of everything that a new split must keep on one side with it. That
// is its cluster, what is linked to it, and the samples of its group key. What those belong to counts in turn.
func (r *Result) Inseparable() []int {
	sets := newUnion(len(r.Samples))
	for _, c := range r.Clusters {
		for _, m := range c.Members {
			sets.join(c.Members[0].Row, m.Row)
		}
	}
	for _, l := range r.Links { // a link may lead from one cluster to another
		sets.join(l.A, l.B)
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
