package duplicates

import (
	"cmp"
	"slices"
)

// Leakage counts the evaluation samples that are in the training data too.
type Leakage struct {
	// Samples counts evaluation samples that are a copy of, or directly linked to, a sample outside the evaluation
	// splits.
	Samples int
	// ExactCopies counts those of them that are identical to such a sample.
	ExactCopies int
	// ChainedOnly counts the evaluation samples that merely share a cluster with such a sample.
	ChainedOnly int
	// Clusters counts the clusters with a leaking sample.
	Clusters int
	// Pairs says from which split the samples leak into which. It is sorted by From, then To.
	Pairs []LeakagePair
}

// A LeakagePair counts the samples of evaluation split To that are copies of, or linked to, samples of split From.
type LeakagePair struct {
	From, To string
	Samples  int
}

// held says whether a row is an evaluation sample.
func (r *Result) held(row int) bool { return slices.Contains(r.evaluation, r.Samples[row].Split) }

// sides are the splits of the training rows in a group of copies, and its evaluation rows.
type sides struct {
	training []string
	held     []int
}

// sides returns a function that divides a group of copies into its sides.
func (r *Result) sides() func(rows []int) sides { return perGroup(r.sideOf) }

func (r *Result) sideOf(rows []int) (s sides) {
	for _, row := range rows {
		split := r.Samples[row].Split
		switch {
		case r.held(row):
			s.held = append(s.held, row)
		case !slices.Contains(s.training, split):
			s.training = append(s.training, split)
		}
	}
	return s
}

// findLeaks fills in Leakage and marks the members that leak. It returns the rows that do.
func (r *Result) findLeaks() map[int]bool {
	evaluated := 0
	for row := range r.Samples {
		if r.held(row) {
			evaluated++
		}
	}
	if evaluated == 0 || evaluated == len(r.Samples) {
		return nil
	}

	sidesOf := r.sides()
	origins := map[int][]string{} // by a group's first row, the splits that its evaluation rows leak from
	exact := map[int]bool{}       // by row
	meet := func(training, test []int) {
		for _, split := range sidesOf(training).training {
			if !slices.Contains(origins[test[0]], split) {
				origins[test[0]] = append(origins[test[0]], split)
			}
		}
	}
	r.pairs(func(a, b []int) {
		if a[0] == b[0] && len(sidesOf(a).training) > 0 {
			for _, rows := range r.Pictures(a) {
				if slices.ContainsFunc(rows, func(row int) bool { return !r.held(row) }) {
					for _, row := range rows {
						exact[row] = exact[row] || r.held(row)
					}
				}
			}
		}
		meet(a, b)
		meet(b, a)
	})
	leaking := map[int]bool{}
	counts := map[[2]string]int{}
	// What shows the same leaks, even where verdicts on others keep it from being in one group.
	type leak struct {
		row  int
		from string
	}
	counted := map[leak]bool{}
	for _, groups := range r.copies.parted {
		for _, rows := range r.Pictures(slices.Concat(r.copies.rows(groups[0]), r.copies.rows(groups[1]))) {
			s := r.sideOf(rows)
			if len(s.training) == 0 {
				continue
			}
			for _, row := range s.held {
				leaking[row], exact[row] = true, true
				for _, from := range s.training {
					if l := (leak{row, from}); !counted[l] && !slices.Contains(origins[r.Copies(row)[0]], from) {
						counted[l] = true
						counts[[2]string{from, r.Samples[row].Split}]++
					}
				}
			}
		}
	}
	for first, splits := range origins {
		for _, row := range sidesOf(r.Copies(first)).held {
			leaking[row] = true
			for _, from := range splits {
				counts[[2]string{from, r.Samples[row].Split}]++
			}
		}
	}

	r.Leakage = &Leakage{Samples: len(leaking)}
	for _, is := range exact {
		if is {
			r.Leakage.ExactCopies++
		}
	}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		training := slices.ContainsFunc(c.Members, func(m Member) bool { return !r.held(m.Row) })
		for j := range c.Members {
			m := &c.Members[j]
			m.Leaks = leaking[m.Row]
			c.Leaks = c.Leaks || m.Leaks
			if training && r.held(m.Row) && !m.Leaks {
				r.Leakage.ChainedOnly++
			}
		}
		if c.Leaks {
			r.Leakage.Clusters++
		}
	}
	for splits, n := range counts {
		r.Leakage.Pairs = append(r.Leakage.Pairs, LeakagePair{From: splits[0], To: splits[1], Samples: n})
	}
	slices.SortFunc(r.Leakage.Pairs, func(a, b LeakagePair) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return leaking
}
