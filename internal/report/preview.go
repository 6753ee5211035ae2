package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

const (
	// maxPageLinks bounds the links of a page that join nothing, maxPageNearMisses the pairs beyond the threshold. Layers share
	// them equally.
	maxPageLinks      = 100_000
	maxPageNearMisses = 20_000
	// maxStops bounds the places of the slider on either side of the threshold.
	maxStops = 150
)

// preview is what the findings would be at other distances, for the page's slider. Taking the links closest first grows the
// clusters join by join, as Kruskal's algorithm grows a minimum spanning forest: the clusters at any distance are the
// components of a beginning of the forest. It is grown over the whole dataset, so that the figures of its stops are exact
// although the page lists only some of the clusters.
type preview struct {
	// forest are the links that join two clusters, others those within one, both closest first. Where clusters have prototypes, forest
	// are pairs whose clusters are joined at a distance, and others all links.
	forest, others []duplicates.Link
	prototypes     bool
	// within is the number of joins within the audit's threshold.
	within int
	// leaksAt holds, for the first row of each group of copies, the distance from which on its evaluation samples leak.
	leaksAt map[int]float64
	stops   []stop
	home    int // the stop that is the audit's threshold
}

// stop is a place of the slider: a distance, and what is found there.
type stop struct {
	distance float64
	joins    int // of the forest
	clusters int
	samples  int // in clusters, those of a baseline not counted
	leaks    int // evaluation samples
	largest  int // samples of the largest cluster
}

func (f *Findings) preview(r *duplicates.Result) *preview {
	p := &preview{leaksAt: map[int]float64{}, prototypes: r.Judgment != nil}
	near := r.NearMisses[:min(len(r.NearMisses), maxPageNearMisses/len(f.Layers))]
	p.grow(r, near, f.apart(r))
	held := func(row int) bool { return slices.Contains(f.EvaluationSplits, r.Samples[row].Split) }
	if r.Leakage != nil {
		p.findLeaks(r, held)
	}
	p.place(r, near, held)
	return p
}

// apart lists, for each row, the verdicts by which it is no copy of the others of the verdict.
func (f *Findings) apart(r *duplicates.Result) map[int][]int {
	verdicts := map[string][]int{}
	for i, v := range f.Verdicts {
		if v.Verdict == v1alpha1.VerdictNotCopies {
			for _, id := range v.Members {
				verdicts[id] = append(verdicts[id], i)
			}
		}
	}
	apart := map[int][]int{}
	if len(verdicts) > 0 {
		for row, s := range r.Samples {
			if of := verdicts[s.ID]; len(of) > 0 {
				apart[row] = of
				delete(verdicts, s.ID) // it is of the audited sample, not of one that the baseline calls the same
			}
		}
	}
	return apart
}

// grow takes the links in the order of their distance, except those that would join what a reviewer judged apart.
func (p *preview) grow(r *duplicates.Result, near []duplicates.Link, apart map[int][]int) {
	sets := newComponents(r)
	for root, rows := range sets.copies {
		for _, row := range rows {
			if row != root && len(apart[row]) > 0 {
				apart[root] = slices.Concat(apart[root], apart[row])
			}
		}
	}
	links := slices.Clone(r.Links)
	slices.SortStableFunc(links, func(a, b duplicates.Link) int { return cmp.Compare(a.Distance, b.Distance) })
	join := func(l duplicates.Link) {
		a, b := sets.find(l.A), sets.find(l.B)
		root := sets.join(a, b)
		if of := slices.Concat(apart[a], apart[b]); len(of) > 0 {
			apart[root] = of
		}
		p.forest = append(p.forest, l)
	}
	prototypes := duplicates.NewPrototypes(len(r.Samples))
	take := func(l duplicates.Link) {
		a, b := sets.find(l.A), sets.find(l.B)
		switch {
		case a != b && slices.ContainsFunc(apart[a], func(v int) bool { return slices.Contains(apart[b], v) }):
		case p.prototypes:
			p.others = append(p.others, l)
			for _, pair := range prototypes.Link(l.A, l.B) {
				join(duplicates.Link{A: pair[0], B: pair[1], Distance: l.Distance})
			}
		case a == b:
			p.others = append(p.others, l)
		default:
			join(l)
		}
	}
	for _, l := range links {
		take(l)
	}
	p.within = len(p.forest)
	for _, l := range near {
		take(l)
	}
}

// findLeaks finds the distance from which on each evaluation sample is a copy of, or directly linked to, one that is not held.
func (p *preview) findLeaks(r *duplicates.Result, held func(row int) bool) {
	type sides struct{ training, held bool }
	known := map[int]sides{}
	sidesOf := func(first int) sides {
		s, found := known[first]
		if !found {
			for _, row := range r.Copies(first) {
				s.held = s.held || held(row)
				s.training = s.training || !held(row)
			}
			known[first] = s
		}
		return s
	}
	leak := func(first int, distance float64) {
		if at, found := p.leaksAt[first]; !found || distance < at {
			p.leaksAt[first] = distance
		}
	}
	for _, rows := range r.CopyGroups() {
		if s := sidesOf(rows[0]); s.training && s.held {
			leak(rows[0], 0)
		}
	}
	for _, links := range [][]duplicates.Link{p.forest, p.others} {
		for _, l := range links {
			a, b := sidesOf(l.A), sidesOf(l.B)
			if a.held && b.training {
				leak(l.A, l.Distance)
			}
			if b.held && a.training {
				leak(l.B, l.Distance)
			}
		}
	}
}

// place chooses the stops, evenly by what they join, and counts what is found at each.
func (p *preview) place(r *duplicates.Result, near []duplicates.Link, held func(row int) bool) {
	type leak struct {
		distance float64
		samples  int
	}
	var leaks []leak
	for first, distance := range p.leaksAt {
		n := 0
		for _, row := range r.Copies(first) {
			if held(row) {
				n++
			}
		}
		leaks = append(leaks, leak{distance, n})
	}
	slices.SortFunc(leaks, func(a, b leak) int { return cmp.Compare(a.distance, b.distance) })

	sets := newComponents(r)
	now := stop{clusters: len(sets.copies)}
	for root := range sets.copies {
		now.samples += int(sets.audited[root])
		now.largest = max(now.largest, int(sets.size[root]))
	}
	add := func(joins int, distance float64) {
		for ; now.joins < joins; now.joins++ {
			l := p.forest[now.joins]
			a, b := sets.find(l.A), sets.find(l.B)
			for _, root := range []int{a, b} {
				if sets.size[root] == 1 {
					now.samples += int(sets.audited[root])
				} else {
					now.clusters--
				}
			}
			now.clusters++
			now.largest = max(now.largest, int(sets.size[sets.join(a, b)]))
		}
		now.distance = distance
		for len(leaks) > 0 && leaks[0].distance <= distance {
			now.leaks += leaks[0].samples
			leaks = leaks[1:]
		}
		p.stops = append(p.stops, now)
	}
	// upTo is the number of joins up to a distance.
	upTo := func(distance float64) int {
		n, _ := slices.BinarySearchFunc(p.forest, distance, func(l duplicates.Link, d float64) int {
			if l.Distance <= d {
				return -1
			}
			return 1
		})
		return n
	}
	between := func(from, to int, limit float64) {
		for i := range min(maxStops, to-from) {
			distance := p.forest[from+(to-from)*i/min(maxStops, to-from)].Distance
			if joins := upTo(distance); joins > now.joins && distance < limit {
				add(joins, distance)
			}
		}
	}
	threshold := r.Threshold.Distance
	if p.within > 0 && threshold > 0 {
		if add(upTo(0), 0); now.joins < p.within {
			between(0, p.within, p.forest[p.within-1].Distance)
		}
	}
	p.home = len(p.stops)
	add(p.within, threshold)
	if home := &p.stops[p.home]; p.prototypes { // a linked sample that no prototype reaches is not alone in the audit, as it is here
		home.clusters, home.samples = len(r.Clusters), r.Total.DuplicateSamples
		for _, c := range r.Clusters {
			home.largest = max(home.largest, len(c.Members))
		}
	}
	if len(near) > 0 {
		last := near[len(near)-1].Distance
		between(p.within, len(p.forest), last)
		add(len(p.forest), last)
	}
}

// rates are, for each stop, the false-discovery rate by which the links up to it are found.
func (p *preview) rates(j *duplicates.Judgment) []measure {
	rates := j.Rates(p.others)
	out := make([]measure, len(p.stops))
	at := 0
	for i, s := range p.stops {
		for at < len(p.others) && p.others[at].Distance <= s.distance {
			at++
		}
		if at > 0 {
			out[i] = measure(rates[at-1])
		}
	}
	return out
}

// stopOf is the first stop at or beyond a distance.
func (p *preview) stopOf(distance float64) int {
	at, _ := slices.BinarySearchFunc(p.stops, distance, func(s stop, d float64) int { return cmp.Compare(s.distance, d) })
	return at
}

// normalization is what a layer's distances are multiplied by to compare with those of other datasets, 0 where there is no
// such factor.
func normalization(l *v1alpha1.LayerSummary, scale int) float64 {
	if l.Threshold.NormalizedDistance == nil {
		return 0
	}
	distance, _ := l.Threshold.Distance.Float64() // our own: it reads back
	normalized, _ := l.Threshold.NormalizedDistance.Float64()
	if distance > 0 && normalized > 0 {
		return normalized / distance
	}
	return math.Sqrt(float64(scale))
}

// components are the clusters while they grow, each known by a row of it.
type components struct {
	parent, size []int32
	audited      []int32       // samples that are no baseline's
	copies       map[int][]int // the groups of copies, by root
}

// newComponents begins with each group of copies in one component.
func newComponents(r *duplicates.Result) *components {
	n := len(r.Samples)
	c := &components{parent: make([]int32, n), size: make([]int32, n), audited: make([]int32, n), copies: map[int][]int{}}
	for i := range n {
		c.parent[i], c.size[i] = int32(i), 1
	}
	for i := range r.Audited() {
		c.audited[i] = 1
	}
	for _, rows := range r.CopyGroups() {
		c.copies[rows[0]] = rows
		for _, row := range rows[1:] {
			c.join(rows[0], row)
		}
	}
	return c
}

func (c *components) find(i int) int {
	for int(c.parent[i]) != i {
		c.parent[i] = c.parent[c.parent[i]]
		i = int(c.parent[i])
	}
	return i
}

// join joins the components with these roots and returns the root of both.
func (c *components) join(a, b int) int {
	if c.size[a] < c.size[b] {
		a, b = b, a
	}
	c.parent[b] = int32(a)
	c.size[a] += c.size[b]
	c.audited[a] += c.audited[b]
	return a
}
