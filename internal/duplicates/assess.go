package duplicates

import (
	"cmp"
	"slices"
)

// A Share is what the clusters mean for a part of the dataset: all of it, a split, or a class.
type Share struct {
	Name    string
	Samples int
	// DuplicateSamples counts the samples that are copies of, or linked to, others of this part.
	DuplicateSamples int
	// EffectiveSize is the number of samples less the redundant ones. All but one sample are redundant in each
	// component of links and copies within this part alone. A link between two clusters doesn't count here.
	EffectiveSize int
	// WeightedSize is Σ 1/(1 + direct links and copies) over its samples, within this part alone.
	WeightedSize float64
}

// assess fills in what the clusters mean.
func (r *Result) assess() {
	audited := r.Samples[:r.Audited()]
	if len(audited) == len(r.Samples) {
		r.Total = r.shares(func(Sample) []string { return []string{""} })[0]
	} else {
		r.compare()
	}
	if slices.ContainsFunc(audited, func(s Sample) bool { return s.Split != "" }) {
		r.Splits = r.shares(Sample.splits)
	}
	if slices.ContainsFunc(audited, func(s Sample) bool { return len(s.Labels) > 0 }) {
		r.Labels = r.shares(Sample.labels)
	}
	r.findConflicts()
	r.countWithheld(r.findLeaks())
}

// splits and labels return the parts that a sample is in. A baseline's sample is in none, because it is not audited.
func (s Sample) splits() []string {
	if s.Baseline {
		return nil
	}
	return []string{s.Split}
}

func (s Sample) labels() []string {
	switch {
	case s.Baseline:
		return nil
	case len(s.Labels) == 0:
		return []string{""}
	}
	return s.Labels
}

// pairs calls visit for each group of copies with itself. It also calls it for each link, with the copies at both ends.
func (r *Result) pairs(visit func(a, b []int)) {
	for _, rows := range r.CopyGroups() {
		visit(rows, rows)
	}
	for _, l := range r.Links {
		visit(r.Copies(l.A), r.Copies(l.B))
	}
}

// perGroup remembers what `of` says about a group of copies, by its first row. A group may be an end of many links.
func perGroup[T any](of func(rows []int) T) func(rows []int) T {
	known := map[int]T{}
	return func(rows []int) T {
		result, found := known[rows[0]]
		if !found {
			result = of(rows)
			known[rows[0]] = result
		}
		return result
	}
}

// shares divides the dataset by the names that parts gives a sample, and looks at each part alone.
func (r *Result) shares(parts func(Sample) []string) []Share {
	byName := map[string]*Share{}
	for _, sample := range r.Samples {
		for _, name := range parts(sample) {
			share := byName[name]
			if share == nil {
				share = &Share{Name: name}
				byName[name] = share
			}
			share.Samples++
			share.EffectiveSize++
		}
	}

	// A vertex is the members of a group of copies that are in one part.
	type vertex struct {
		group, size, degree int
		share               *Share
	}
	var vertices []vertex
	in := perGroup(func(rows []int) map[string]int {
		at := map[string]int{}
		for _, row := range rows {
			for _, name := range parts(r.Samples[row]) {
				v, found := at[name]
				if !found {
					v = len(vertices)
					at[name] = v
					vertices = append(vertices, vertex{group: rows[0], share: byName[name]})
				}
				vertices[v].size++
			}
		}
		return at
	})
	type edge struct{ a, b int }
	var edges []edge
	r.pairs(func(a, b []int) {
		from := in(a)
		if a[0] == b[0] {
			for _, v := range from {
				vertices[v].degree += vertices[v].size - 1
				vertices[v].share.EffectiveSize -= vertices[v].size - 1
			}
			return
		}
		for name, w := range in(b) {
			if v, both := from[name]; both {
				vertices[v].degree += vertices[w].size
				vertices[w].degree += vertices[v].size
				if r.ClusterOf[a[0]] == r.ClusterOf[b[0]] {
					edges = append(edges, edge{v, w})
				}
			}
		}
	})
	components := newUnion(len(vertices))
	for _, e := range edges {
		if components.join(e.a, e.b) {
			vertices[e.a].share.EffectiveSize--
		}
	}

	for _, share := range byName {
		share.WeightedSize = float64(share.Samples)
	}
	slices.SortFunc(vertices, func(a, b vertex) int { return cmp.Compare(a.group, b.group) }) // sums in a fixed order
	for _, v := range vertices {
		v.share.WeightedSize -= float64(v.size) - float64(v.size)/float64(1+v.degree)
		if v.degree > 0 {
			v.share.DuplicateSamples += v.size
		}
	}
	out := make([]Share, 0, len(byName))
	for _, share := range byName {
		out = append(out, *share)
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// findConflicts counts the pairs whose label sets are disjoint. A sample without labels conflicts with none.
func (r *Result) findConflicts() {
	conflicts := r.conflicts()
	r.pairs(func(a, b []int) {
		count := conflicts(a, b)
		r.LabelConflicts += count
		r.Clusters[r.ClusterOf[a[0]]].Conflicts += count
		if other := r.ClusterOf[b[0]]; other != r.ClusterOf[a[0]] {
			r.Clusters[other].Conflicts += count
		}
	})
}

// conflicts returns a function that counts the pairs of two groups of copies, or of one with itself, whose label sets are
// disjoint.
func (r *Result) conflicts() func(a, b []int) int {
	type tally struct {
		labels []string
		count  int
	}
	tallies := perGroup(func(rows []int) []tally {
		var out []tally
		for _, row := range rows {
			labels := r.Samples[row].Labels
			at := slices.IndexFunc(out, func(t tally) bool { return slices.Equal(t.labels, labels) })
			if at < 0 {
				at = len(out)
				out = append(out, tally{labels: labels})
			}
			out[at].count++
		}
		return out
	})
	return func(a, b []int) (count int) {
		others := tallies(b)
		for _, one := range tallies(a) {
			if a[0] == b[0] {
				others = others[1:] // each pair once; equal sets are never disjoint
			}
			for _, other := range others {
				if Disjoint(one.labels, other.labels) {
					count += one.count * other.count
				}
			}
		}
		return count
	}
}

// Disjoint tells whether labels contradict each other: both samples have some, and none in common.
func Disjoint(a, b []string) bool {
	for _, label := range a {
		if slices.Contains(b, label) {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}
