package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
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
	Like   string // what that one is
}

// Bounds of what a page shows of each kind.
const (
	maxTiles      = 48
	maxLabelTiles = 8
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
	typical := l.typical()
	show := func(title, hint string, rows []int, score []float64, most int, closed bool) {
		t := tiles{Title: title, Hint: hint, File: v1alpha1.FileFamiliarity, Unlisted: max(0, len(rows)-most), Closed: closed}
		for _, row := range rows[:min(len(rows), most)] {
			s := l.Result.Samples[row]
			own := tile{Own: pairSampleOf(s), Says: fmt.Sprintf("log density %.4g", score[row])}
			if len(s.Labels) == 1 {
				if like, known := typical[s.Labels[0]]; known && like != row {
					own.Beside, own.Like = new(pairSampleOf(l.Result.Samples[like])), "the most usual of its label"
				}
			}
			t.Tiles = append(t.Tiles, own)
		}
		if len(t.Tiles) > 0 {
			out = append(out, t)
		}
	}
	r := l.Familiarity
	rare := r.Rare
	title, hint := "Out of place", "Samples in whose surroundings there is hardly another one."
	if len(rare) == 0 {
		rare, title, hint = r.Order()[:min(len(r.Density), maxLabelTiles)], "The least usual samples", "None is out of place, but these have the fewest like them."
	}
	show(title, hint, rare, r.Density, maxTiles, false)
	show("Unlike all training samples", "Evaluation samples in whose surroundings there is hardly a training sample.", r.Unseen, r.AmongOthers, maxTiles, true)
	for _, label := range l.largestLabels() {
		show("Least usual of label "+label.name, "", label.rows[:min(len(label.rows), maxLabelTiles)], r.OfLabel, maxLabelTiles, true)
	}
	return out
}

// typical is the densest sample of each label.
func (l *Layer) typical() map[string]int {
	most := map[string]int{}
	for row, density := range l.Familiarity.OfLabel {
		if math.IsNaN(density) {
			continue
		}
		label := l.Result.Samples[row].Labels[0]
		if best, known := most[label]; !known || density > l.Familiarity.OfLabel[best] {
			most[label] = row
		}
	}
	return most
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
	for _, label := range all {
		slices.SortStableFunc(label.rows, func(a, b int) int { return cmp.Compare(l.Familiarity.OfLabel[a], l.Familiarity.OfLabel[b]) })
	}
	return all
}
