package report

import (
	"math"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// summarizeLocal says on what the pairs of method Local rest; nil for the reference's method.
func summarizeLocal(l Layer) *v1alpha1.LocalSummary {
	j := l.Result.Judgment
	if j == nil {
		return nil
	}
	out := &v1alpha1.LocalSummary{
		Rate:        v1alpha1.NewDecimal(j.Rate),
		Neighbors:   int64(j.Neighbors),
		Pairs:       int64(j.Pairs),
		ChancePairs: rounded(j.ChancePairs),
		Dimension:   rounded(j.Dimension),
		Shrinkage:   rounded(j.Shrinkage),
	}
	if !math.IsNaN(j.Fit) {
		out.Fit = new(rounded(j.Fit))
	}
	if i := j.Inspection; i != nil {
		out.Inspection = &v1alpha1.InspectionSummary{Pairs: int64(i.Pairs), Lookalikes: int64(i.Lookalikes), Similarity: new(rounded(i.Similarity))}
	}
	return out
}

// rounded is an estimate in four digits.
func rounded(x float64) v1alpha1.Decimal {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64) // our own: it reads back
	return v1alpha1.NewDecimal(short)
}

// similarity and change are what an inspection saw of a link, as tables have it; empty without one.
func similarity(seen *duplicates.Resemblance) string {
	if seen == nil {
		return ""
	}
	return strconv.FormatFloat(seen.Similarity, 'f', 4, 64)
}

func change(seen *duplicates.Resemblance) string {
	if seen == nil {
		return ""
	}
	return seen.Change.String()
}
