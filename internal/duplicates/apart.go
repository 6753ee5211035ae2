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

// constrained is a union–find some of whose sets must not join.
type constrained struct {
	union
	// between holds the roots that a set must not join, by its root. Both ends know of each other.
	between apart
}

func newConstrained(n int, judged apart) *constrained {
	p := &constrained{union: newUnion(n), between: apart{}}
	for i, rows := range judged {
		for j := range rows {
			p.between.add(i, j)
		}
	}
	return p
}

// judged says whether two rows are in sets that must not join. One set is never kept from itself, also where rows
// judged apart are in it.
func (p *constrained) judged(i, j int) bool {
	i, j = p.find(i), p.find(j)
	return i != j && p.between.judged(i, j)
}

// join joins the sets of two rows, even if they were judged apart.
func (p *constrained) join(i, j int) {
	i, j = p.find(i), p.find(j)
	if !p.union.join(i, j) {
		return
	}
	root, gone := min(i, j), max(i, j)
	delete(p.between[root], gone)
	for other := range p.between[gone] {
		delete(p.between[other], gone)
		if other != root {
			p.between.add(root, other)
			p.between.add(other, root)
		}
	}
	delete(p.between, gone)
}

// constrain leaves out the links that would bring rows judged apart into one cluster. Shorter links come first, so that
// of a chain between two such rows the longest link breaks.
func (r *Result) constrain(links []Link, apart apart) []Link {
	if len(apart) == 0 {
		return links
	}
	sets := newConstrained(len(r.Samples), apart)
	r.copies.join(sets.join)
	slices.SortFunc(links, byDistance)
	links = slices.DeleteFunc(links, func(l Link) bool {
		if sets.judged(l.A, l.B) {
			return true
		}
		sets.join(l.A, l.B)
		return false
	})
	slices.SortFunc(links, byRows)
	return links
}
