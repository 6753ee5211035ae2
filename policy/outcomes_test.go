package policy

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// A policy is held against a summary once, and another policy or another summary again.
func TestOutcomes(t *testing.T) {
	compile := func(expression string) *Policy {
		p, err := Compile(v1alpha1.PolicySpec{Rules: []v1alpha1.PolicyRule{{Name: "few", Expression: expression, Severity: v1alpha1.SeverityFail}}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	summary := func(clusters int64) *v1alpha1.AuditSummary {
		return &v1alpha1.AuditSummary{Layers: []v1alpha1.LayerSummary{{Layer: "a", Clusters: clusters}}}
	}
	few, none := compile("layer.clusters < 5"), compile("layer.clusters == 0")
	first := few.Outcomes("one", summary(3))
	if first[0].Outcome != v1alpha1.RuleFulfilled {
		t.Errorf("3 clusters: %+v", first)
	}
	// The same policy, compiled again, and the same digest: what was found is returned, whatever stands beside the
	// digest.
	if again := compile("layer.clusters < 5").Outcomes("one", nil); &again[0] != &first[0] {
		t.Error("it is evaluated again")
	}
	if other := few.Outcomes("two", summary(7)); other[0].Outcome != v1alpha1.RuleViolated {
		t.Errorf("another summary: %+v", other)
	}
	if other := none.Outcomes("one", summary(3)); other[0].Outcome != v1alpha1.RuleViolated {
		t.Errorf("another policy: %+v", other)
	}
}
