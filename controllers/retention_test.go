package controllers

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// TestRetain keeps the newest of each outcome.
func TestRetain(t *testing.T) {
	record := func(id string, outcome v1alpha1.RunOutcome) v1alpha1.RunRecord {
		return v1alpha1.RunRecord{ID: id, Outcome: outcome}
	}
	history := []v1alpha1.RunRecord{
		record("a", v1alpha1.OutcomeFailed), record("b", v1alpha1.OutcomeSucceeded), record("c", v1alpha1.OutcomeSuperseded),
		record("d", v1alpha1.OutcomeSucceeded), record("e", v1alpha1.OutcomeSucceeded),
	}
	ids := func(successful, failed int32) (out string) {
		for _, r := range retain(history, v1alpha1.RetentionSpec{Successful: &successful, Failed: &failed}) {
			out += r.ID
		}
		return out
	}
	for want, n := range map[string][2]int32{"ab": {1, 1}, "bd": {2, 0}, "abcde": {9, 9}} {
		if got := ids(n[0], n[1]); got != want {
			t.Errorf("of %v stay %s, want %s", n, got, want)
		}
	}
}
