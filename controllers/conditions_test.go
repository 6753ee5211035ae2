package controllers

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What of a dataset may have been misread is said where people look first.
func TestDoubts(t *testing.T) {
	endings := []v1alpha1.EndingFiles{{Ending: ".xyz", Files: 300}, {Files: 35}}
	for name, c := range map[string]struct {
		dataset v1alpha1.SummaryDataset
		want    string
	}{
		"none":           {v1alpha1.SummaryDataset{}, ""},
		"a handful":      {v1alpha1.SummaryDataset{Ignored: &v1alpha1.IgnoredFiles{Files: 10}}, ""},
		"many":           {v1alpha1.SummaryDataset{Ignored: &v1alpha1.IgnoredFiles{Files: 335, Endings: endings}}, "; 335 files were taken for no samples: .xyz 300, without an ending 35"},
		"read otherwise": {v1alpha1.SummaryDataset{Warnings: []string{"labels\nlike splits", "more"}}, "; careful: labels like splits"},
	} {
		if got := doubts(&c.dataset); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
