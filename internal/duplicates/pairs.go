package duplicates

import "slices"

// EachPair calls visit for every pair a < b of rows that are linked, or copies, whose link is none, by a, then b. In a
// group of more than limit copies the first stands for all: the others are paired with it alone, and only it is paired
// with what they are linked to. Ten thousand identical images thus give as many pairs, not fifty million. Memory is
// that of the links, and of one row's partners.
func (r *Result) EachPair(limit int, visit func(a, b int, link Link)) {
	type partner struct {
		row  int
		link Link // nothing for a copy
	}
	linked := map[int][]partner{} // by the first of the copies
	for _, l := range r.Links {
		linked[l.A] = append(linked[l.A], partner{l.B, l})
		linked[l.B] = append(linked[l.B], partner{l.A, l})
	}
	spokesmen := func(row int) []int {
		copies := r.Copies(row)
		if len(copies) > limit {
			return copies[:1]
		}
		return copies
	}
	var partners []partner
	for a := range r.Samples {
		copies := r.Copies(a)
		if len(copies) > limit && a != copies[0] {
			continue
		}
		partners = partners[:0]
		for _, b := range copies {
			partners = append(partners, partner{row: b})
		}
		for _, p := range linked[copies[0]] {
			for _, b := range spokesmen(p.row) {
				partners = append(partners, partner{b, p.link})
			}
		}
		slices.SortFunc(partners, func(x, y partner) int { return x.row - y.row })
		for _, b := range partners {
			if a < b.row {
				visit(a, b.row, b.link)
			}
		}
	}
}
