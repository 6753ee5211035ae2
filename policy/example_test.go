package policy_test

import (
	"fmt"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/policy"
)

// Whether a dataset may be trained on, by its summary and two rules.
func Example() {
	rules, err := policy.Compile(v1alpha1.PolicySpec{Rules: []v1alpha1.PolicyRule{
		{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail},
		{Name: "few-copies", Expression: "layer.exactCopies * 100 <= layer.samples", Severity: v1alpha1.SeverityWarn},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	summary := &v1alpha1.AuditSummary{Layers: []v1alpha1.LayerSummary{
		{Layer: "conv_pw_13", Samples: 1000, ExactCopies: 4, Leakage: &v1alpha1.LeakageSummary{Samples: 3}},
	}}
	status, reason, message := policy.Compliance(rules.Evaluate(summary))
	fmt.Printf("Compliant is %s (%s)\n%s\n", status, reason, message)
	// Output:
	// Compliant is False (RulesViolated)
	// Fulfilled: 1 of 2 rules. Violated: no-leakage (layer conv_pw_13: layer.leakage.samples = 3)
}
