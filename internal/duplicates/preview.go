package duplicates

import (
	"cmp"
	"slices"
)

// maxStops bounds the stops of a preview on either side of the threshold.
const maxStops = 150

// A Preview is what a result would be at other distances. Taking the links closest first grows the clusters join by
// join, as Kruskal's algorithm grows a minimum spanning forest: the clusters at any distance are the components of a
// beginning of the forest.
type Preview struct {
	// Forest are the links that join two clusters, Others those within one, both closest first. Of method Local, Forest
	// are pairs whose clusters are joined at a distance, and Others all links.
	Forest, Others []Link
	Stops          []Stop
	// Home is the stop that is the result's own threshold.
	Home int

	result *Result
	sides  func(rows []int) sides
	// within is the number of joins within the result's threshold.
	within int
	// leaksAt holds, for the first row of each group of copies, the distance from which on its evaluation samples leak.
	leaksAt map[int]float64
}

// A Stop is a distance, and what is found there.
type Stop struct {
	Distance float64
	Joins    int // of the forest
	Clusters int
	Samples  int // in clusters, those of a baseline not counted
	Leaks    int // evaluation samples
	Largest  int // samples of the largest cluster
}

// Preview looks at up to 150 smaller distances, and as many larger ones, up to that of so many near misses.
func (r *Result) Preview(nearMisses int) *Preview {
	p := &Preview{result: r, sides: r.sides(), leaksAt: map[int]float64{}}
	near := r.NearMisses[:min(len(r.NearMisses), nearMisses)]
	p.grow(near)
	if r.Leakage != nil {
		p.findLeaks()
	}
	p.place(near)
	return p
}

// grow takes the links in the order of their distance, except those that would join what a reviewer judged apart.
func (p *Preview) grow(near []Link) {
	r := p.result
	sets := r.growing(r.apart)
	links := slices.Clone(r.Links)
	slices.SortStableFunc(links, func(a, b Link) int { return cmp.Compare(a.Distance, b.Distance) })
	join := func(l Link) {
		sets.join(l.A, l.B)
		p.Forest = append(p.Forest, l)
	}
	prototypes := newPrototypes(len(r.Samples))
	take := func(l Link) {
		switch {
		case sets.judged(l.A, l.B):
		case r.Judgment != nil:
			p.Others = append(p.Others, l)
			for _, pair := range prototypes.link(l.A, l.B) {
				join(Link{A: pair[0], B: pair[1], Distance: l.Distance})
			}
		case sets.find(l.A) == sets.find(l.B):
			p.Others = append(p.Others, l)
		default:
			join(l)
		}
	}
	for _, l := range links {
		take(l)
	}
	p.within = len(p.Forest)
	for _, l := range near {
		take(l)
	}
}

// findLeaks finds the distance from which on each evaluation sample is a copy of, or directly linked to, one of another
// split.
func (p *Preview) findLeaks() {
	leak := func(from, to int, distance float64) {
		a, b := p.sides(p.result.Copies(from)), p.sides(p.result.Copies(to))
		if len(a.training) == 0 || len(b.held) == 0 {
			return
		}
		if at, found := p.leaksAt[to]; !found || distance < at {
			p.leaksAt[to] = distance
		}
	}
	for _, rows := range p.result.CopyGroups() {
		leak(rows[0], rows[0], 0)
	}
	for _, links := range [][]Link{p.Forest, p.Others} {
		for _, l := range links {
			leak(l.A, l.B, l.Distance)
			leak(l.B, l.A, l.Distance)
		}
	}
}

// place chooses the stops, evenly by what they join, and counts what is found at each.
func (p *Preview) place(near []Link) {
	type leak struct {
		distance float64
		samples  int
	}
	var leaks []leak
	for first, distance := range p.leaksAt {
		leaks = append(leaks, leak{distance, len(p.sides(p.result.Copies(first)).held)})
	}
	slices.SortFunc(leaks, func(a, b leak) int { return cmp.Compare(a.distance, b.distance) })

	r := p.result
	sets := r.growing(nil)
	now := Stop{Clusters: len(r.copies.members)}
	for _, rows := range r.copies.members {
		now.Samples += int(sets.audited[rows[0]])
		now.Largest = max(now.Largest, int(sets.size[rows[0]]))
	}
	add := func(joins int, distance float64) {
		for ; now.Joins < joins; now.Joins++ {
			l := p.Forest[now.Joins]
			a, b := sets.find(l.A), sets.find(l.B)
			for _, root := range []int{a, b} {
				if sets.size[root] == 1 {
					now.Samples += int(sets.audited[root])
				} else {
					now.Clusters--
				}
			}
			now.Clusters++
			now.Largest = max(now.Largest, int(sets.size[sets.join(a, b)]))
		}
		now.Distance = distance
		for len(leaks) > 0 && leaks[0].distance <= distance {
			now.Leaks += leaks[0].samples
			leaks = leaks[1:]
		}
		p.Stops = append(p.Stops, now)
	}
	// upTo is the number of joins up to a distance.
	upTo := func(distance float64) int {
		n, _ := slices.BinarySearchFunc(p.Forest, distance, func(l Link, d float64) int {
			if l.Distance <= d {
				return -1
			}
			return 1
		})
		return n
	}
	between := func(from, to int, limit float64) {
		for i := range min(maxStops, to-from) {
			distance := p.Forest[from+(to-from)*i/min(maxStops, to-from)].Distance
			if joins := upTo(distance); joins > now.Joins && distance < limit {
				add(joins, distance)
			}
		}
	}
	threshold := r.Threshold.Distance
	if p.within > 0 && threshold > 0 {
		if add(upTo(0), 0); now.Joins < p.within {
			between(0, p.within, p.Forest[p.within-1].Distance)
		}
	}
	p.Home = len(p.Stops)
	add(p.within, threshold)
	if home := &p.Stops[p.Home]; r.Judgment != nil { // a linked sample that no prototype reaches is not alone in the audit, as it is here
		home.Clusters, home.Samples = len(r.Clusters), r.Total.DuplicateSamples
		for _, c := range r.Clusters {
			home.Largest = max(home.Largest, len(c.Members))
		}
	}
	if len(near) > 0 {
		last := near[len(near)-1].Distance
		between(p.within, len(p.Forest), last)
		add(len(p.Forest), last)
	}
}

// Rates are, for each stop, the false-discovery rate by which the links up to it are found; 0 where there are none. Of
// method Local only.
func (p *Preview) Rates() []float64 {
	rates := p.result.Judgment.Rates(p.Others)
	out := make([]float64, len(p.Stops))
	at := 0
	for i, s := range p.Stops {
		for at < len(p.Others) && p.Others[at].Distance <= s.Distance {
			at++
		}
		if at > 0 {
			out[i] = rates[at-1]
		}
	}
	return out
}

// LeaksFrom is the first stop at which a row leaks; ok is false if it leaks at none.
func (p *Preview) LeaksFrom(row int) (stop int, ok bool) {
	distance, leaks := p.leaksAt[p.result.Copies(row)[0]]
	if !leaks || !p.result.held(row) {
		return 0, false
	}
	stop, _ = slices.BinarySearchFunc(p.Stops, distance, func(s Stop, d float64) int { return cmp.Compare(s.Distance, d) })
	return stop, stop < len(p.Stops)
}

// growing are clusters while they grow. Size and audited are of the set at its root: its rows, and those of no
// baseline.
type growing struct {
	*constrained
	size, audited []int32
}

// growing begins with each group of copies in one cluster.
func (r *Result) growing(apart apart) *growing {
	n := len(r.Samples)
	g := &growing{constrained: newConstrained(n, apart), size: make([]int32, n), audited: make([]int32, n)}
	for i := range n {
		g.size[i] = 1
	}
	for i := range r.Audited() {
		g.audited[i] = 1
	}
	r.copies.join(func(i, j int) { g.join(i, j) })
	return g
}

// join joins the sets of two rows, which are not one, and returns its root.
func (g *growing) join(i, j int) int {
	i, j = g.find(i), g.find(j)
	g.constrained.join(i, j)
	root, gone := min(i, j), max(i, j)
	g.size[root] += g.size[gone]
	g.audited[root] += g.audited[gone]
	return root
}
