package v1alpha1_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// Somebody has thought of every field, and its value is among those of what it decides.
func TestEveryFieldDecides(t *testing.T) {
	audit := audits.New("cars")
	kinds := []v1alpha1.Decides{v1alpha1.DecidesInput, v1alpha1.DecidesVectors, v1alpha1.DecidesReduction, v1alpha1.DecidesFindings}
	values := func(spec *v1alpha1.DatasetAuditSpec, what v1alpha1.Decides) map[string]string {
		t.Helper()
		fields, err := spec.Deciding(what)
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	count := 0
	for path, changed := range audits.Changes(&audit.Spec) {
		count++
		decides := v1alpha1.FieldDecides(path)
		if decides == v1alpha1.DecidesAccess {
			continue
		}
		if !slices.Contains(kinds, decides) {
			t.Errorf("%s: what does it decide? Add it to the list in decides.go", path)
			continue
		}
		for _, what := range kinds {
			same := cmp.Equal(values(&audit.Spec, what), values(changed, what))
			if same == (what == decides) {
				t.Errorf("%s decides %s, and what decides %s changes with it: %v", path, decides, what, !same)
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d fields were looked at", count)
	}
}
