package report

import (
	"fmt"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
)

// says is what the page says of a layer: the findings, and what of them it lists.
func (f *Findings) says(l *v1alpha1.LayerSummary, dataset *v1alpha1.SummaryDataset, large []oversized) []findings.Finding {
	out := findings.Layer(l, dataset, f.Audit.Spec.Dataset.EvaluationSplits)
	note := func(format string, args ...any) {
		out = append(out, findings.Finding{Topic: findings.Duplicates, Kind: findings.Note, Text: fmt.Sprintf(format, args...)})
	}
	if n := int64(len(large)); n > 0 {
		note("%s of more than %s samples %s counted but not listed, and %s up only exact copies: most likely %s of look-alikes",
			findings.Count(n, "cluster", "clusters"), findings.Thousands(f.maxClusterSize()), findings.Plural(n, "is", "are"), findings.Plural(n, "gives", "give"),
			findings.Plural(n, "a chain", "chains"))
	}
	return append(out, findings.Dataset(dataset)...)
}

// figures are the numbers at the top of a layer.
func figures(l *v1alpha1.LayerSummary) []figure {
	out := []figure{
		{findings.Thousands(l.Samples), "samples", ""},
		{findings.Thousands(l.Clusters), "clusters", ""},
		{findings.Thousands(l.DuplicateSamples), "in clusters", percent(l.DuplicateSamples, l.Samples)},
		{findings.Thousands(l.ExactCopies), "exact copies", ""},
		{findings.Thousands(l.EffectiveSize), "effective size", percent(l.EffectiveSize, l.Samples)},
	}
	if l.Leakage != nil {
		out = append(out, figure{findings.Thousands(l.Leakage.Samples), "leaking samples", ""})
	}
	if l.LabelConflicts != nil {
		out = append(out, figure{findings.Thousands(*l.LabelConflicts), "label conflicts", ""})
	}
	return out
}

// significant writes a measure in four digits.
func significant(x any) string {
	switch x := x.(type) {
	case float64:
		return findings.Significant(x)
	case v1alpha1.Decimal:
		value, _ := x.Float64() // our own: it reads back
		return findings.Significant(value)
	case *v1alpha1.Decimal:
		return significant(*x)
	}
	return fmt.Sprint(x)
}

// tenths writes a count that has fractions.
func tenths(x v1alpha1.Decimal) string {
	value, _ := x.Float64()
	return strconv.FormatFloat(value, 'f', 1, 64)
}

// percent is the share of a whole.
func percent(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	share := 100 * float64(part) / float64(whole)
	if part > 0 && share < 0.1 {
		return "< 0.1%"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + "%"
}
