package duplicates

import "slices"

// compare fills in Total and Known where the last rows are a baseline's. What a baseline holds already is redundant,
// and an audited sample counts as a duplicate wherever its copy is.
func (r *Result) compare() {
	audited := r.Audited()
	r.Total = Share{Samples: audited, EffectiveSize: audited}
	for _, c := range r.Clusters {
		own := 0
		for _, m := range c.Members {
			if m.Row < audited {
				own++
			}
		}
		r.Total.DuplicateSamples += own
		r.Total.EffectiveSize -= own
		if own == len(c.Members) {
			r.Total.EffectiveSize++
		}
	}

	r.Known = &Known{Baseline: len(r.Samples) - audited}
	degree := make([]int, audited)
	known, exact := map[int]bool{}, map[int]bool{}
	meet := func(rows, others []int) {
		same := rows[0] == others[0]
		old := others[len(others)-1] >= audited // they ascend
		for _, row := range rows {
			if row >= audited {
				continue
			}
			degree[row] += len(others)
			if same {
				degree[row]-- // itself
			}
			if old {
				known[row] = true
				exact[row] = exact[row] || same && slices.ContainsFunc(others, func(other int) bool { return other >= audited && r.Exact(row, other) })
			}
		}
	}
	r.pairs(func(a, b []int) {
		meet(a, b)
		if a[0] != b[0] {
			meet(b, a)
		}
	})
	r.Known.Samples = len(known)
	for _, is := range exact {
		if is {
			r.Known.ExactCopies++
		}
	}
	for _, links := range degree {
		r.Total.WeightedSize += 1 / float64(1+links)
	}
}
