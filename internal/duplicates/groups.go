package duplicates

import (
	"cmp"
	"slices"
)

// Groups says how the samples of one origin, such as a patient or a recording, lie in the splits. A model that has seen
// the one half of a recording knows the other, whether or not any two samples of it are copies.
type Groups struct {
	// Groups is their number, Samples that of the samples with one.
	Groups, Samples int
	// Judged says that there are samples on both sides. Otherwise nothing can cross.
	Judged bool
	// Crossing are the groups with samples on both sides: most evaluation samples first, then by name.
	Crossing []CrossingGroup
	// CrossingSamples is the number of evaluation samples in these.
	CrossingSamples int
}

// A CrossingGroup is a group with samples in evaluation splits and in others.
type CrossingGroup struct {
	Name               string
	Evaluation, Others int
}

// FindGroups counts the groups of samples, those of a baseline left out. The evaluation splits are one side, all others
// the other.
func FindGroups(samples []Sample, evaluation []string) Groups {
	return findGroups(samples, evaluation, func(row int) string { return samples[row].Group })
}

// findGroups counts the groups that a function names.
func findGroups(samples []Sample, evaluation []string, groupOf func(row int) string) Groups {
	var out Groups
	var sides [2]int
	count := map[string]*CrossingGroup{}
	for row, s := range samples {
		if s.Baseline {
			continue
		}
		held := slices.Contains(evaluation, s.Split)
		if held {
			sides[0]++
		} else {
			sides[1]++
		}
		group := groupOf(row)
		if group == "" {
			continue
		}
		out.Samples++
		g := count[group]
		if g == nil {
			g = &CrossingGroup{Name: group}
			count[group] = g
		}
		if held {
			g.Evaluation++
		} else {
			g.Others++
		}
	}
	out.Groups = len(count)
	out.Judged = sides[0] > 0 && sides[1] > 0
	for _, g := range count {
		if g.Evaluation > 0 && g.Others > 0 {
			out.Crossing = append(out.Crossing, *g)
			out.CrossingSamples += g.Evaluation
		}
	}
	slices.SortFunc(out.Crossing, func(a, b CrossingGroup) int {
		return cmp.Or(cmp.Compare(b.Evaluation, a.Evaluation), cmp.Compare(a.Name, b.Name))
	})
	return out
}
