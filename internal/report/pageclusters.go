package report

import (
	"cmp"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// Bounds of the page, so that it opens at once whatever the dataset holds. What is cut is counted on the page, and
// whole in the other files.
const (
	maxPageClusters = 5_000   // of a layer
	maxPageSamples  = 200_000 // in clusters of a layer, by name
	maxPageMembers  = 24      // of a cluster, with pictures
)

// pageCluster is a cluster that the page lists.
type pageCluster struct {
	duplicates.Cluster
	at int // its position among the layer's clusters, which is its rank by tightness
	// named are the members that the page knows by name: all, unless there are more than a verdict can be about. Shown
	// are those of them in the list, with pictures.
	named, shown []duplicates.Member
	given        map[int]bool // the layer's rows that could go
}

func (c *pageCluster) kept(row int) bool { return !c.given[row] }

// urgent clusters call for a decision.
func (c *pageCluster) urgent() bool { return c.Leaks || c.Conflicts > 0 }

// listClusters chooses the clusters that the page lists: the urgent ones, then the tightest. They stay in the order of
// their tightness. Oversized ones are not listed.
func listClusters(r *duplicates.Result, given map[int]bool) (listed []*pageCluster, unlisted int) {
	var all []*pageCluster
	for i, c := range r.Clusters {
		if !c.Oversized {
			all = append(all, &pageCluster{Cluster: c, at: i, given: given})
		}
	}
	byUrgency := slices.Clone(all)
	slices.SortStableFunc(byUrgency, urgentFirst)
	samples := 0
	for _, c := range byUrgency[:min(len(byUrgency), maxPageClusters)] {
		c.shown = shown(c.Cluster, given)
		if c.named = c.Members; len(c.Members) > v1alpha1.MaxVerdictMembers {
			c.named = c.shown
		}
		if samples += len(c.named); samples > maxPageSamples {
			break
		}
		listed = append(listed, c)
	}
	slices.SortFunc(listed, func(a, b *pageCluster) int { return cmp.Compare(a.at, b.at) })
	return listed, len(all) - len(listed)
}

func urgentFirst(a, b *pageCluster) int {
	if a.urgent() == b.urgent() {
		return 0
	}
	if a.urgent() {
		return -1
	}
	return 1
}

// shown are the members whose pictures the page has room for, in the cluster's order: those that stay and those that
// leak, then the nearest to the centroid.
func shown(c duplicates.Cluster, given map[int]bool) []duplicates.Member {
	if len(c.Members) <= maxPageMembers {
		return c.Members
	}
	positions := make([]int, len(c.Members))
	for i := range positions {
		positions[i] = i
	}
	rank := func(m duplicates.Member) int {
		switch {
		case !given[m.Row]:
			return 0
		case m.Leaks:
			return 1
		}
		return 2
	}
	slices.SortFunc(positions, func(i, j int) int {
		a, b := c.Members[i], c.Members[j]
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Distance, b.Distance), cmp.Compare(i, j))
	})
	positions = positions[:maxPageMembers]
	slices.Sort(positions)
	out := make([]duplicates.Member, len(positions))
	for i, at := range positions {
		out[i] = c.Members[at]
	}
	return out
}

// choosePictures returns the rows whose pictures the page has, in its order: the clusters as they are first shown, then
// what only the slider brings up. Where they are too many the urgent clusters come first, then the tightest of every
// layer in turn, so that no layer crowds out another; leftOut counts what is listed without its picture.
func choosePictures(layers []*pageLayer, t *sampleTable) (order []int, leftOut int) {
	var clusters []*pageCluster
	for _, l := range layers {
		clusters = append(clusters, l.clusters...)
	}
	inTurn := slices.Clone(clusters)
	slices.SortStableFunc(inTurn, func(a, b *pageCluster) int { return cmp.Or(urgentFirst(a, b), cmp.Compare(a.at, b.at)) })
	chosen := map[int]bool{} // false: left out
	room := maxPictures
	for _, c := range inTurn {
		for _, m := range c.shown {
			if _, known := chosen[m.Row]; known || t.samples[m.Row].Baseline {
				continue
			}
			chosen[m.Row] = room > 0
			room--
		}
	}
	leftOut = max(0, -room)
	for _, c := range clusters {
		for _, m := range c.shown {
			if chosen[m.Row] {
				order = append(order, m.Row)
				chosen[m.Row] = false // it is listed
			}
		}
	}
	inClusters := map[int]bool{}
	for _, c := range clusters {
		for _, m := range c.named {
			inClusters[m.Row] = true
		}
	}
	for _, row := range t.rows {
		if room > 0 && !inClusters[row] && !t.samples[row].Baseline {
			order = append(order, row)
			room--
		}
	}
	return order, leftOut
}
