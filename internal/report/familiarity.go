package report

import (
	"fmt"
	"io"
	"math"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// densityRow is a row of familiarity.parquet: a sample by a layer. Densities are natural logarithms.
type densityRow struct {
	Layer       string   `parquet:"layer,dict"`
	Index       int64    `parquet:"index"`
	ID          string   `parquet:"id"`
	Split       *string  `parquet:"split,optional,dict"`
	Labels      []string `parquet:"labels,list"`
	Density     float64  `parquet:"logDensity"`
	OfLabel     *float64 `parquet:"logDensityOfLabel,optional"`
	AmongOthers *float64 `parquet:"logDensityAmongOthers,optional"`
	Rare        bool     `parquet:"rare"`
	Unseen      bool     `parquet:"unseen"`
}

// writeFamiliarity writes the densities of all samples, in the dataset's order.
func (f *Findings) writeFamiliarity(w io.Writer) error {
	table := newParquet[densityRow](w)
	for _, l := range f.Layers {
		if l.Familiarity == nil {
			continue
		}
		unseen := map[int]bool{}
		for _, row := range l.Familiarity.Unseen {
			unseen[row] = true
		}
		for row, s := range f.audited() {
			out := densityRow{
				Layer: l.Name, Index: int64(s.Index), ID: text.Valid(s.ID), Density: l.Familiarity.Density[row],
				OfLabel: present(l.Familiarity.OfLabel, row), AmongOthers: present(l.Familiarity.AmongOthers, row),
				Rare: l.Familiarity.Density[row] < l.Familiarity.Fence, Unseen: unseen[row],
			}
			if s.Split != "" {
				out.Split = new(text.Valid(s.Split))
			}
			for _, label := range s.Labels {
				out.Labels = append(out.Labels, text.Valid(label))
			}
			if _, err := table.Write([]densityRow{out}); err != nil {
				return fmt.Errorf("layer %s: %w", l.Name, err)
			}
		}
	}
	return table.Close()
}

// present is a number of a list that may be absent and have gaps.
func present(list []float64, at int) *float64 {
	if len(list) == 0 || math.IsNaN(list[at]) {
		return nil
	}
	return &list[at]
}

// familiarityQuantiles are those of the summary.
var familiarityQuantiles = []float64{0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1}

func summarizeFamiliarity(r *familiarity.Result, samples []duplicates.Sample) *v1alpha1.FamiliaritySummary {
	if r == nil {
		return nil
	}
	out := &v1alpha1.FamiliaritySummary{Components: int64(r.Components), RareSamples: int64(len(r.Rare))}
	order := r.Order()
	for _, q := range familiarityQuantiles {
		at := order[int(math.Round(q*float64(len(order)-1)))]
		out.Quantiles = append(out.Quantiles, v1alpha1.NewDecimal(r.Density[at]))
	}
	out.Rarest = named(order, r.Density, samples)
	if r.AmongOthers != nil {
		out.UnseenSamples = new(int64(len(r.Unseen)))
		out.Unseen = named(r.Unseen, r.AmongOthers, samples)
	}
	return out
}

// named are the first of some rows, with their scores.
func named(rows []int, score []float64, samples []duplicates.Sample) []v1alpha1.NamedSample {
	var out []v1alpha1.NamedSample
	for _, row := range rows[:min(len(rows), v1alpha1.MaxNamedSamples)] {
		out = append(out, v1alpha1.NamedSample{ID: cut(samples[row].ID), Score: v1alpha1.NewDecimal(score[row])})
	}
	return out
}
