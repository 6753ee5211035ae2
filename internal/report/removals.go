package report

import (
	"cmp"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// A removal is a row that a cleaned dataset can do without.
type removal struct {
	row int
	// keeper stays for it. It may be a sample of a baseline, or of the reference that is named.
	keeper    duplicates.Sample
	reference string
	exact     bool
}

// redundant are the rows that could go if one of each cluster stays.
func (f *Findings) redundant(r *duplicates.Result) []duplicates.Removal {
	spec := f.Audit.Spec.Duplicates.Removal
	rule := duplicates.Rule{Evaluation: f.EvaluationSplits, Keep: spec.KeepSplits}
	switch spec.Keep {
	case v1alpha1.KeepFirst:
		rule.First = true
	case v1alpha1.KeepHighestResolution:
		rule.Worth = func(s duplicates.Sample) float64 { return float64(s.Pixels) }
	case v1alpha1.KeepColumn:
		rule.Worth = func(s duplicates.Sample) float64 { return s.Score }
	case v1alpha1.KeepMedoid:
	}
	return r.Removals(rule)
}

// removals are the rows of a layer that could go, ascending: what is redundant, and what a model must not be trained on
// because a reference holds it or a sample of its cluster. Evaluation samples go for no reference: nothing is trained on
// them. Of an oversized cluster, only those go that the reference holds.
func (f *Findings) removals(l Layer) []removal {
	trainable := func(row int) bool {
		s := l.Result.Samples[row]
		return !s.Baseline && !slices.Contains(f.EvaluationSplits, s.Split)
	}
	out := map[int]removal{}
	add := func(r removal) {
		if _, known := out[r.row]; !known {
			out[r.row] = r
		}
	}
	for _, ref := range l.References {
		for _, m := range ref.Comparison.Matches {
			if trainable(m.Row) {
				add(removal{m.Row, ref.Samples[m.Sample], ref.Name, m.Exact})
			}
		}
	}
	for _, c := range l.Result.Clusters {
		rows := slices.Sorted(slices.Values(c.Rows()))
		first := slices.IndexFunc(rows, func(row int) bool { _, gone := out[row]; return gone })
		if first < 0 || c.Oversized {
			continue
		}
		gone := out[rows[first]]
		for _, row := range rows {
			if trainable(row) {
				add(removal{row, gone.keeper, gone.reference, false})
			}
		}
	}
	for _, r := range f.redundant(l.Result) {
		add(removal{row: r.Row, keeper: l.Result.Samples[r.Keeper], exact: r.Exact})
	}
	sorted := make([]removal, 0, len(out))
	for _, r := range out {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b removal) int { return cmp.Compare(a.row, b.row) })
	return sorted
}
