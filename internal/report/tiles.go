package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/quality"
)

// tiles are some samples that a part of the report shows, those that ask for a look first.
type tiles struct {
	Title string
	// Hint says what they are, File where the others are.
	Hint, File string
	Tiles      []tile
	Unlisted   int
	// Closed ones are opened by the reader.
	Closed bool
}

// Count is how many there are, the unlisted ones too.
func (t tiles) Count() int { return len(t.Tiles) + t.Unlisted }

// tile is a sample, and one to hold beside it.
type tile struct {
	Own    pairSample
	Says   string
	Beside *pairSample
}

// Bounds of what a page shows of each kind.
const (
	maxTiles      = familiarity.Shown
	maxLabelTiles = familiarity.ShownOfLabel
	maxTileLabels = 12
)

// qualityTiles are the worst images of each problem.
func (f *Findings) qualityTiles() []tiles {
	p := f.judgeQuality()
	if p == nil {
		return nil
	}
	samples := f.audited()
	var out []tiles
	for _, problem := range quality.Problems() {
		t := tiles{Title: problem.String(), File: v1alpha1.FileQuality, Unlisted: p.count[problem] - len(p.worst[problem]), Closed: true}
		for _, b := range p.worst[problem] {
			t.Tiles = append(t.Tiles, tile{Own: pairSampleOf(samples[b.row]), Says: fmt.Sprintf("score %.2f", b.score)})
		}
		if len(t.Tiles) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// tiles are what a layer shows beside its clusters.
func (l *Layer) tiles() []tiles {
	var out []tiles
	if t := l.suspectTiles(); len(t.Tiles) > 0 {
		out = append(out, t)
	}
	if l.Familiarity == nil {
		return out
	}
	r := l.Familiarity
	show := func(t tiles, rows []int, score []float64, beside map[int]int) {
		t.File, t.Unlisted = v1alpha1.FileFamiliarity, max(0, len(rows)-maxTiles)
		for _, row := range rows[:min(len(rows), maxTiles)] {
			own := tile{Own: pairSampleOf(l.Result.Samples[row]), Says: fmt.Sprintf("log density %.4g", score[row])}
			if near, known := beside[row]; known {
				own.Beside = new(pairSampleOf(l.Result.Samples[near]))
			}
			t.Tiles = append(t.Tiles, own)
		}
		if len(t.Tiles) > 0 {
			out = append(out, t)
		}
	}
	const nearest = "Beside each the nearest sample, of its label where it has one alone."
	if len(r.Rare) > 0 {
		show(tiles{Title: "Out of place", Hint: "Samples in whose surroundings there is hardly another one. " + nearest}, r.Rare, r.Density, r.Beside)
	} else {
		show(tiles{Title: "The least usual samples", Hint: "None is out of place, but these have the fewest like them. " + nearest},
			r.Order()[:min(len(r.Density), maxLabelTiles)], r.Density, r.Beside)
	}
	show(tiles{
		Title: "Unlike all training samples", Hint: "Evaluation samples in whose surroundings there is hardly a training sample. Beside each the nearest one.", Closed: true,
	}, r.Unseen, r.AmongOthers, r.BesideUnseen)
	for _, label := range l.largestLabels() {
		show(tiles{Title: "Least usual of label " + label.name, Hint: nearest, Closed: true}, label.rows[:min(len(label.rows), maxLabelTiles)], r.OfLabel, r.Beside)
	}
	return out
}

type labelRows struct {
	name string
	rows []int // least dense first
}

// largestLabels are the labels with the most samples, where there are several.
func (l *Layer) largestLabels() []labelRows {
	rows := map[string][]int{}
	for row, density := range l.Familiarity.OfLabel {
		if !math.IsNaN(density) {
			label := l.Result.Samples[row].Labels[0]
			rows[label] = append(rows[label], row)
		}
	}
	if len(rows) < 2 {
		return nil
	}
	var all []labelRows
	for name, of := range rows {
		all = append(all, labelRows{name, of})
	}
	slices.SortFunc(all, func(a, b labelRows) int {
		return cmp.Or(cmp.Compare(len(b.rows), len(a.rows)), cmp.Compare(a.name, b.name))
	})
	all = all[:min(len(all), maxTileLabels)]
	for i, label := range all {
		all[i].rows = l.Familiarity.OrderOfLabel(label.rows)
	}
	return all
}
