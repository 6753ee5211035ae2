package duplicates

// Overlaps counts, for each two parts of the dataset, the samples of the first that are a copy of, or linked to, a sample of
// the second; with itself, to another sample of it. Parts names those that a sample is in; none is in two of one name.
func (r *Result) Overlaps(parts func(Sample) []string) map[[2]string]int {
	// What a group of copies holds: how many of its rows are in each part.
	holds := perGroup(func(rows []int) map[string]int {
		held := map[string]int{}
		for _, row := range rows {
			for _, name := range parts(r.Samples[row]) {
				held[name]++
			}
		}
		return held
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
		meet(a, holds(b))
		meet(b, holds(a))
	})
	counts := map[[2]string]int{}
	for first, others := range linked {
		held := holds(r.Copies(first))
		for name, n := range held {
			for other := range others {
				counts[[2]string{name, other}] += n
			}
			for other, m := range held {
				switch {
				case others[other]: // counted already
				case other != name:
					counts[[2]string{name, other}] += n
				case m > 1:
					counts[[2]string{name, name}] += n
				}
			}
		}
	}
	return counts
}
