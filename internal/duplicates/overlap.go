package duplicates

// Overlaps counts, for each two parts of the dataset, the samples of the first that are a copy of, or linked to, a
// sample of the second; with itself, to another sample of it. Parts names those that a sample is in; none is in two of
// one name.
func (r *Result) Overlaps(parts func(Sample) []string) map[[2]string]int {
	holds := perGroup(func(rows []int) holding {
		h := holding{in: map[string]int{}, both: map[[2]string]int{}}
		for _, row := range rows {
			names := parts(r.Samples[row])
			for _, name := range names {
				h.in[name]++
				for _, other := range names {
					h.both[[2]string{name, other}]++
				}
			}
		}
		return h
	})
	linked := map[int]map[string]bool{} // by a group's first row, the parts of all that is linked to it
	meet := func(rows []int, others map[string]int) {
		if linked[rows[0]] == nil {
			linked[rows[0]] = map[string]bool{}
		}
		for name := range others {
			linked[rows[0]][name] = true
		}
	}
	r.pairs(func(a, b []int) {
		if a[0] == b[0] {
			meet(a, nil)
			return
		}
		meet(a, holds(b).in)
		meet(b, holds(a).in)
	})
	counts := map[[2]string]int{}
	for first, others := range linked {
		held := holds(r.Copies(first))
		for name, n := range held.in {
			for other := range others {
				counts[[2]string{name, other}] += n
			}
			for other, m := range held.in {
				if others[other] {
					continue // counted already
				}
				with := n
				if m == 1 { // a sample is not a copy of itself
					with -= held.both[[2]string{name, other}]
				}
				if with > 0 {
					counts[[2]string{name, other}] += with
				}
			}
		}
	}
	return counts
}

// holding is what a group of copies holds: how many of its rows are in each part, and how many in each two.
type holding struct {
	in   map[string]int
	both map[[2]string]int
}
