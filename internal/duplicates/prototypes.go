package duplicates

import (
	"maps"
	"slices"
)

// prototypes grows clusters without chains, by minimax linkage (Bien and Tibshirani 2011,
// doi:10.1198/jasa.2011.tm10183). Two clusters join as soon as one of their vertices, the prototype, is linked to all
// others. Links must come closest first.
type prototypes struct {
	sets   union
	size   []int32
	linked map[int][]int
}

// newPrototypes begins with n clusters of one vertex each.
func newPrototypes(n int) *prototypes {
	p := &prototypes{sets: newUnion(n), size: make([]int32, n), linked: map[int][]int{}}
	for i := range p.size {
		p.size[i] = 1
	}
	return p
}

// link links two vertices. For each two clusters that join because of it, it returns one vertex of each.
func (p *prototypes) link(a, b int) (joined [][2]int) {
	p.linked[a], p.linked[b] = append(p.linked[a], b), append(p.linked[b], a)
	if from, to := p.sets.find(a), p.sets.find(b); from != to {
		// A prototype of both clusters must be an end of this link, or they would have joined before.
		if p.reaches(a, from, to) || p.reaches(b, from, to) {
			p.join(from, to)
			joined = append(joined, [2]int{a, b})
		}
		return joined
	}
	// A link within a cluster may make one of its ends a prototype. That vertex may then be a prototype of other
	// clusters too.
	for _, v := range []int{a, b} {
		own := p.sets.find(v)
		if len(p.linked[v]) < int(p.size[own]) || !p.reaches(v, own, own) {
			continue
		}
		for _, other := range p.linked[v] {
			if from, to := p.sets.find(v), p.sets.find(other); from != to && p.reaches(v, from, to) {
				p.join(from, to)
				joined = append(joined, [2]int{v, other})
			}
		}
	}
	return joined
}

func (p *prototypes) join(a, b int) {
	size := p.size[a] + p.size[b]
	p.sets.join(a, b)
	p.size[min(a, b)] = size
}

// reaches says whether a vertex is linked to all others of two clusters, one of which is its own.
func (p *prototypes) reaches(vertex, a, b int) bool {
	others := int(p.size[a]) - 1
	if a != b {
		others += int(p.size[b])
	}
	if len(p.linked[vertex]) < others {
		return false
	}
	for _, v := range p.linked[vertex] {
		if root := p.sets.find(v); root == a || root == b {
			others--
		}
	}
	return others == 0
}

// prototyped returns clusters in which one row is linked to all others, copies aside. Every linked row is in a cluster.
// A row that no prototype reaches goes to the nearest row that it is linked to. If that row is not a prototype, it
// leaves its own cluster and the two make a new one.
func (r *Result) prototyped() union {
	links := slices.SortedFunc(slices.Values(r.Links), byDistance)
	p := newPrototypes(len(r.Samples))
	for _, l := range links {
		p.link(l.A, l.B)
	}
	cluster := map[int]int{} // by linked row
	size := map[int]int{}
	for row := range p.linked {
		cluster[row] = p.sets.find(row)
		size[cluster[row]]++
	}
	attach := func(row, to int) {
		at := cluster[to]
		reached := 0
		for _, other := range p.linked[to] {
			if cluster[other] == at {
				reached++
			}
		}
		if reached < size[at]-1 { // to is not a prototype, so it gets a cluster of its own
			size[at]--
			at = len(r.Samples) + row // a name that no other cluster has
			cluster[to] = at
			size[at] = 1
		}
		size[cluster[row]]--
		cluster[row] = at
		size[at]++
	}
	for _, l := range links {
		if size[cluster[l.A]] == 1 {
			attach(l.A, l.B)
		} else if size[cluster[l.B]] == 1 {
			attach(l.B, l.A)
		}
	}
	sets := newUnion(len(r.Samples))
	first := map[int]int{}
	for _, row := range slices.Sorted(maps.Keys(cluster)) {
		if at, known := first[cluster[row]]; known {
			sets.join(at, row)
		} else {
			first[cluster[row]] = row
		}
	}
	return sets
}
