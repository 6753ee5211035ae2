package report

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// writeLabels writes the samples whose label is probably wrong, the likeliest first.
func (f *Findings) writeLabels(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label", "suggested", "probability", "ownNeighbors", "neighbors")
	samples := f.audited()
	for _, l := range f.Layers {
		if l.Suspects == nil {
			continue
		}
		for _, suspect := range l.Suspects.Suspects {
			s := samples[suspect.Row]
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels), text.Valid(l.Classes[suspect.Suggested]),
				strconv.FormatFloat(suspect.Probability, 'f', 4, 64), number(suspect.Own), number(suspect.Asked))
		}
	}
	return t.flush()
}

func (l *Layer) summarizeSuspects() *v1alpha1.SuspectLabelsSummary {
	r := l.Suspects
	if r == nil {
		return nil
	}
	out := &v1alpha1.SuspectLabelsSummary{
		Samples: int64(r.Judged), Suspects: int64(len(r.Suspects)), ExpectedErrors: v1alpha1.NewDecimal(math.Round(r.Expected)), Neighbors: int64(r.Neighbors),
	}
	for _, class := range r.Classes {
		switch {
		case class.Few:
			out.SmallLabels++
		case class.Samples > 0 && !class.Judged:
			out.OverlappingLabels++
		}
	}
	for _, suspect := range r.Suspects[:min(len(r.Suspects), v1alpha1.MaxNamedSamples)] {
		s := l.Result.Samples[suspect.Row]
		out.Worst = append(out.Worst, v1alpha1.SuspectLabel{
			ID: cut(s.ID), Label: cut(s.Labels[0]), Suggested: cut(l.Classes[suspect.Suggested]), Probability: v1alpha1.NewDecimal(suspect.Probability),
		})
	}
	return out
}

func (l *Layer) suspectTiles() tiles {
	r := l.Suspects
	if r == nil {
		return tiles{}
	}
	t := tiles{
		Title: "Labels that are probably wrong", File: v1alpha1.FileLabels, Unlisted: max(0, len(r.Suspects)-maxTiles),
		Hint: fmt.Sprintf("By the labels of %d neighbors of each sample. Beside it the nearest one of the label that most of them bear.", r.Neighbors),
	}
	for _, s := range r.Suspects[:min(len(r.Suspects), maxTiles)] {
		t.Tiles = append(t.Tiles, tile{
			Own: pairSampleOf(l.Result.Samples[s.Row]), Beside: new(pairSampleOf(l.Result.Samples[s.Like])),
			Says: fmt.Sprintf("%s? wrong by %.0f %%: %d of %d neighbors bear its label", l.Classes[s.Suggested], 100*s.Probability, s.Own, s.Asked),
		})
	}
	return t
}
