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
// because a reference holds it. Evaluation samples go for no reference: nothing is trained on them.
func (f *Findings) removals(l Layer) []removal {
	out := map[int]removal{}
	for _, ref := range l.References {
		for _, m := range ref.Comparison.Matches {
			if _, known := out[m.Row]; !known && !slices.Contains(f.EvaluationSplits, l.Result.Samples[m.Row].Split) {
				out[m.Row] = removal{m.Row, ref.Samples[m.Sample], ref.Name, m.Exact}
			}
		}
	}
	for _, r := range f.redundant(l.Result) {
		if _, known := out[r.Row]; known {
			continue
		}
		kept, gone := out[r.Keeper] // a copy of what goes for a reference goes for it, too
		if !gone {
			kept = removal{keeper: l.Result.Samples[r.Keeper]}
		}
		out[r.Row] = removal{r.Row, kept.keeper, kept.reference, r.Exact && !gone}
	}
	sorted := make([]removal, 0, len(out))
	for _, r := range out {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b removal) int { return cmp.Compare(a.row, b.row) })
	return sorted
}
