package report

import (
	"math"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// summarizeReference says what the samples share with a reference. Splits are those of the dataset, in its order.
func summarizeReference(ref Reference, samples []duplicates.Sample, splits []string) v1alpha1.ReferenceSummary {
	c := ref.Comparison
	out := v1alpha1.ReferenceSummary{
		Name: ref.Name, Size: int64(len(ref.Samples)),
		Samples: int64(len(c.Rows)), ExactCopies: int64(c.ExactCopies), ReferenceSamples: int64(len(c.Found)), Pairs: int64(c.Links()),
	}
	if j := c.Judgment; j != nil {
		out.ChancePairs = new(rounded(j.ChancePairs))
		if !math.IsNaN(j.Fit) {
			out.Fit = new(rounded(j.Fit))
		}
		out.Inspected = j.Inspection != nil
	}
	count := map[string]int64{}
	for _, row := range c.Rows {
		count[samples[row].Split]++
	}
	for _, split := range splits {
		if split != "" || len(splits) > 1 {
			out.Splits = append(out.Splits, v1alpha1.SplitSamples{Name: cut(split), Samples: count[split]})
		}
	}
	out.Splits = largest(out.Splits, v1alpha1.MaxSummaryGroups, func(s v1alpha1.SplitSamples) int64 { return s.Samples })
	return out
}
