package duplicates

import "slices"

// A Removal is a row that a cleaned dataset can do without, because Keeper stays.
type Removal struct {
	Row, Keeper int
	// Exact says that the two are identical.
	Exact bool
}

// Removals says which rows to give up so that one of each cluster stays, by row. The medoid stays; but where evaluation
// samples are in a cluster, one of them does (the medoid, else the nearest to the centroid), so that none is ever given up
// for a training sample. Of an oversized cluster, which may well be a chain of look-alikes, only exact copies go.
func (r *Result) Removals(evaluation []string) []Removal {
	held := func(row int) bool { return slices.Contains(evaluation, r.Samples[row].Split) }
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
			giveUp(c.Rows(), keeper(c, held))
			continue
		}
		for _, m := range c.Members {
			if copies := r.Copies(m.Row); copies[0] == m.Row {
				first := m.Row
				if at := slices.IndexFunc(copies, held); at >= 0 {
					first = copies[at]
				}
				giveUp(copies, first)
			}
		}
	}
	slices.SortFunc(out, func(a, b Removal) int { return a.Row - b.Row })
	return out
}

func keeper(c Cluster, held func(row int) bool) int {
	best := -1
	for i, m := range c.Members {
		if !held(m.Row) {
			continue
		}
		if m.Row == c.Medoid {
			return c.Medoid
		}
		if best < 0 || m.Distance < c.Members[best].Distance ||
			m.Distance == c.Members[best].Distance && m.Row < c.Members[best].Row {
			best = i
		}
	}
	if best < 0 {
		return c.Medoid
	}
	return c.Members[best].Row
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
