package controllers

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What was found, and what of a dataset may have been misread, is said where people look first.
func TestSummarize(t *testing.T) {
	const leaks = "; 3 samples of the evaluation splits leak from the others (layer a, the first of 2)"
	endings := []v1alpha1.EndingFiles{{Ending: ".xyz", Files: 300}, {Files: 35}}
	for name, c := range map[string]struct {
		dataset v1alpha1.SummaryDataset
		want    string
	}{
		"splits":         {v1alpha1.SummaryDataset{Splits: []v1alpha1.SplitSamples{{Name: "train"}, {Name: "test", Evaluation: true}}}, "; 3 samples of test leak from train (layer a, the first of 2)"},
		"none":           {v1alpha1.SummaryDataset{}, leaks},
		"a handful":      {v1alpha1.SummaryDataset{Ignored: &v1alpha1.IgnoredFiles{Files: 10}}, leaks},
		"many":           {v1alpha1.SummaryDataset{Ignored: &v1alpha1.IgnoredFiles{Files: 335, Endings: endings}}, leaks + "; 335 files were taken for no samples: .xyz 300, without an ending 35"},
		"read otherwise": {v1alpha1.SummaryDataset{Warnings: []string{"labels\nlike splits", "more"}}, leaks + "; careful: labels like splits"},
	} {
		result := &v1alpha1.ResultStatus{Clusters: 37, DuplicateSamples: 111, Samples: 1000, Summary: &v1alpha1.AuditSummary{
			Dataset: c.dataset, Layers: []v1alpha1.LayerSummary{{Layer: "a", Leakage: &v1alpha1.LeakageSummary{Samples: 3}}, {Layer: "b"}},
		}}
		if got := summarize(result); got != "37 clusters hold 111 of 1,000 samples"+c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
