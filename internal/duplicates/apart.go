package duplicates

import "slices"

// apart holds, for each row, the rows that a reviewer judged to be no copy of it.
type apart map[int]map[int]bool

func newApart(sets [][]int) apart {
	a := apart{}
	for _, rows := range sets {
		for _, i := range rows {
			for _, j := range rows {
				if i != j {
					a.add(i, j)
				}
			}
		}
	}
	return a
}

func (a apart) add(i, j int) {
	if a[i] == nil {
		a[i] = map[int]bool{}
	}
	a[i][j] = true
}

func (a apart) judged(i, j int) bool { return a[i][j] }

// any says whether row i was judged apart from one of the rows.
func (a apart) any(i int, rows []int) bool {
	judged := a[i]
	return len(judged) > 0 && slices.ContainsFunc(rows, func(j int) bool { return judged[j] })
}

// constrain leaves out the links that would bring rows judged apart into one cluster. Shorter links come first, so that of a
// chain between two such rows the longest link breaks.
func (r *Result) constrain(links []Link, apart apart) []Link {
	if len(apart) == 0 {
		return links
	}
	sets := newUnion(len(r.Samples))
	// The roots of the sets that a set must not join, by its root. Both ends know of each other.
	between := newApart(nil)
	join := func(i, j int) {
		i, j = sets.find(i), sets.find(j)
		if !sets.join(i, j) {
			return
		}
		root, gone := sets.find(i), max(i, j)
		for other := range between[gone] {
			between.add(root, other)
			between.add(other, root)
			delete(between[other], gone)
		}
		delete(between, gone)
	}
	for i, rows := range apart {
		for j := range rows {
			between.add(i, j)
		}
	}
	for _, rows := range r.copies.members {
		for _, row := range rows[1:] {
			join(rows[0], row)
		}
	}
	slices.SortFunc(links, byDistance)
	links = slices.DeleteFunc(links, func(l Link) bool {
		if between.judged(sets.find(l.A), sets.find(l.B)) {
			return true
		}
		join(l.A, l.B)
		return false
	})
	slices.SortFunc(links, byRows)
	return links
}
