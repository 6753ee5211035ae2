package duplicates

import "slices"

// apart holds, for each row, the rows that a reviewer judged to be no copy of it.
type apart map[int]map[int]bool

// newApart takes the pairs of each set, but those that together says to leave together.
func newApart(sets [][]int, together func(i, j int) bool) apart {
	a := apart{}
	for _, rows := range sets {
		for at, i := range rows {
			for _, j := range rows[at+1:] {
				if i != j && !a.judged(i, j) && !together(i, j) {
					a.add(i, j)
					a.add(j, i)
				}
			}
		}
	}
	return a
}

// undeniable says of two rows whether they show the same on both sides of the evaluation: no verdict makes of that no
// leak. Where nothing is known of pictures, the vectors are what the samples show.
func (r *Result) undeniable(embeddings Rows) func(i, j int) bool {
	return func(i, j int) bool {
		if r.held(i) == r.held(j) {
			return false
		}
		p, q := r.Samples[i].Picture, r.Samples[j].Picture
		if p == (Picture{}) && q == (Picture{}) {
			return slices.Equal(embeddings.Row(i), embeddings.Row(j))
		}
		return p != (Picture{}) && q != (Picture{}) && p.same(q)
	}
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
// of a chain between two such rows the longest link breaks. What is left out is kept aside, to be counted.
func (r *Result) constrain(links []Link) []Link {
	if len(r.apart) == 0 {
		return links
	}
	sets := newConstrained(len(r.Samples), r.apart)
	r.copies.join(sets.join)
	slices.SortFunc(links, byDistance)
	links = slices.DeleteFunc(links, func(l Link) bool {
		if sets.judged(l.A, l.B) {
			r.leftOut = append(r.leftOut, l)
			return true
		}
		sets.join(l.A, l.B)
		return false
	})
	slices.SortFunc(links, byRows)
	return links
}

// Withheld counts what would have been found without the verdicts of reviewers.
type Withheld struct {
	// Pairs of samples that would be linked, or copies of each other.
	Pairs int
	// Leaks are the evaluation samples that would leak, and now don't.
	Leaks int
	// ExactCopies are the samples that show the same as an earlier one from which they were judged apart.
	ExactCopies int
	// Conflicts are the pairs whose sets of labels are disjoint.
	Conflicts int
	// Overruled are the pairs that were judged apart and are not: they show the same on both sides of the evaluation.
	Overruled int
}

// countWithheld counts what the verdicts left out. leaking are the rows that leak all the same.
func (r *Result) countWithheld(leaking map[int]bool) {
	sidesOf, conflicts := r.sides(), r.conflicts()
	leaks := map[int]bool{}
	meet := func(a, b []int) {
		r.Withheld.Pairs += len(a) * len(b)
		r.Withheld.Conflicts += conflicts(a, b)
		for _, pair := range [][2][]int{{a, b}, {b, a}} {
			if len(sidesOf(pair[0]).training) > 0 {
				for _, row := range sidesOf(pair[1]).held {
					if !leaking[row] {
						leaks[row] = true
					}
				}
			}
		}
	}
	parted := map[[2]int]bool{}
	for _, groups := range r.copies.parted {
		parted[groups] = true
	}
	for _, l := range r.leftOut {
		if !parted[[2]int{r.copies.group[l.A], r.copies.group[l.B]}] {
			meet(r.Copies(l.A), r.Copies(l.B))
		}
	}
	for _, groups := range r.copies.parted {
		a, b := r.copies.rows(groups[0]), r.copies.rows(groups[1])
		meet(a, b)
		for _, part := range r.Pictures(slices.Concat(a, b)) {
			if r.copies.group[part[0]] == groups[0] {
				for _, row := range part {
					if r.copies.group[row] == groups[1] {
						r.Withheld.ExactCopies++
					}
				}
			}
		}
	}
	r.Withheld.Leaks = len(leaks)
}
