package report

import (
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// mapBlock is the map of a layer for the page's script: an even choice of the samples, in columns.
type mapBlock struct {
	// X and Y are places from 0 to mapSide.
	X []int `json:"x"`
	Y []int `json:"y"`
	// ID, Split and Label of each; the latter are positions in Splits and Labels.
	ID     []string `json:"id"`
	Split  []int    `json:"split"`
	Label  []int    `json:"label"`
	Splits []string `json:"splits"`
	Labels []string `json:"labels"`
	// Familiar is the percentage of all samples that are less dense; absent without report Familiarity.
	Familiar []int `json:"familiar,omitempty"`
	// Finding is a position in mapFindings, the gravest that a sample has.
	Finding []int `json:"finding"`
	// Sample is its number on the page, −1 for one that the page doesn't name otherwise: it has no picture then.
	Sample []int `json:"sample"`
	// All is how many samples there are.
	All int `json:"all"`
}

const (
	// maxMap bounds the points of a map, over all layers; mapSide is their scale.
	maxMap  = 60_000
	mapSide = 4_000
)

// What a point may be, the gravest last. The script has the same list.
const (
	mapNothing = iota
	mapPoor
	mapCluster
	mapRare
	mapSuspect
	mapLeak
)

// mapBlock lays out a layer for the page; nil without a map.
func (f *Findings) mapBlock(at int, t *sampleTable) *mapBlock {
	l := &f.Layers[at]
	if l.Map == nil {
		return nil
	}
	samples := f.audited()
	n := min(len(samples), maxMap/len(f.Layers))
	b := &mapBlock{Splits: []string{}, Labels: []string{}, All: len(samples)}
	scale := newPlaneScale(l.Map)
	finding, familiar := f.mapFindings(l), l.percentages()
	var splits, labels names
	for i := range n {
		row := i * len(samples) / n
		s := samples[row]
		x, y := scale.within(row, mapSide)
		b.X, b.Y, b.ID = append(b.X, x), append(b.Y, y), append(b.ID, text.Valid(s.ID))
		b.Split, b.Label = append(b.Split, splits.number(s.Split)), append(b.Label, labels.number(joined(s.Labels)))
		b.Finding = append(b.Finding, finding[row])
		number, named := t.numbers[row]
		if !named {
			number = -1
		}
		b.Sample = append(b.Sample, number)
		if familiar != nil {
			b.Familiar = append(b.Familiar, familiar[row])
		}
	}
	b.Splits, b.Labels = append(b.Splits, splits.list...), append(b.Labels, labels.list...)
	return b
}

// mapFindings are the gravest of each audited sample.
func (f *Findings) mapFindings(l *Layer) []int {
	found := make([]int, len(f.audited()))
	if p := f.judgeQuality(); p != nil {
		for row, is := range p.rows {
			if is {
				found[row] = mapPoor
			}
		}
	}
	mark := func(row, is int) {
		if row < len(found) {
			found[row] = max(found[row], is)
		}
	}
	for _, c := range l.Result.Clusters {
		for _, m := range c.Members {
			mark(m.Row, mapCluster)
			if m.Leaks {
				mark(m.Row, mapLeak)
			}
		}
	}
	if l.Familiarity != nil {
		for _, row := range slices.Concat(l.Familiarity.Rare, l.Familiarity.Unseen) {
			mark(row, mapRare)
		}
	}
	if l.Suspects != nil {
		for _, s := range l.Suspects.Suspects {
			mark(s.Row, mapSuspect)
		}
	}
	return found
}

// percentages says of each sample how many of a hundred are less dense; nil without report Familiarity.
func (l *Layer) percentages() []int {
	if l.Familiarity == nil {
		return nil
	}
	out := make([]int, len(l.Familiarity.Density))
	for rank, row := range l.Familiarity.Order() {
		out[row] = 100 * rank / len(out)
	}
	return out
}
